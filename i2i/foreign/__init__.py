"""Tensors out of files that others made.

The names are fetched when they are first used: the process that opens a pickle imports nothing that it does not need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
