"""Translations without torch's own kernels: compiled by an engine here, or exported into a file for elsewhere."""
