"""Measuring: what takes turns in processes of its own, the machine's limit, and how much of it a recipe reaches."""
