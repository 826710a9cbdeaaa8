"""Tiny tensors on one thread, with the same numbers in every test."""

from i2i.testing import fixed_chance, one_thread

__all__ = ["fixed_chance", "one_thread"]
