"""HEIC pictures, which Pillow reads with the optional package pillow_heif."""

from __future__ import annotations

import importlib
import re


def is_heif(start: bytes) -> bool:
    """Whether a file that begins like this is HEIC, by its brand or by one that AVIF shares."""
    return re.match(rb"....ftyp(hei|hev|mif1|msf1)", start, re.S) is not None


def heif_is_readable() -> bool:
    """Whether pillow_heif is installed; Pillow then reads HEIC from here on, in all of this process."""
    try:
        plugin = importlib.import_module("pillow_heif")
    except ImportError:
        return False
    # what hangs beside the picture is never asked for, so it need not be taken apart
    plugin.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return True
