"""Files that hold several pictures: animations, and documents of pages."""

from __future__ import annotations

from i2i.images.frames.opening import open_frames as open_frames
from i2i.images.frames.sequence import Frames as Frames
from i2i.images.frames.writing import write_frames as write_frames
