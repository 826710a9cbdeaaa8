"""Batch inference: pictures in, weights applied, pictures out. The command line and the Python API share this path."""
