"""How a picture's file is laid out, read before any decoder sees it: it refuses metadata that is a bomb.

Decoders read all the metadata of a file, some more than once, and some inflate it. Walking over a file's blocks costs
no more than their headers, and tells how much there is before any of it is held.
"""

from __future__ import annotations

import os
import re
import struct

from i2i.images.limits import Limits
from i2i.images.outline.boxes import boxes
from i2i.images.outline.chunks import png, webp
from i2i.images.outline.outline import Outline, Weighed
from i2i.images.outline.segments import gif, jpeg
from i2i.images.outline.tiff import tiff
from i2i.images.watched import Watched

_READERS = (
    (rb"\x89PNG\r\n\x1a\n", png),
    (rb"\xff\xd8\xff", jpeg),
    (rb"RIFF....WEBP", webp),
    (rb"GIF8[79]a", gif),
    (rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]|II\0\x2a|MM\x2a\0", tiff),
    (rb"....(ftyp|jP  )", boxes),
)


def outline_of(file: Watched, limits: Limits) -> Outline:
    """The outline of a file of any format; one without frames or sizes where there are none to be told so early.

    Raises `BeyondLimits`. Where the file is damaged the walk ends there: its decoder is the one to say so.
    """
    file.seek(0)
    start = file.read(16)
    reader = next((reader for sign, reader in _READERS if re.match(sign, start, re.S)), None)
    if reader is None:
        return Outline()
    weighed = Weighed(limits, file.seek(0, os.SEEK_END))
    file.seek(0)
    try:
        outline = reader(file, weighed)
    except (struct.error, IndexError, OverflowError, ValueError, OSError):
        outline = Outline(frames=max(1, weighed.frames))
    finally:
        file.seek(0)
    limits.check_size(outline.width, outline.height, outline.frames)
    return outline
