"""Files that hold several pictures: animations, and documents of pages."""

from __future__ import annotations

from i2i.images.frames_in import frame_count as frame_count
from i2i.images.frames_in import open_frames as open_frames
from i2i.images.frames_out import write_frames as write_frames
from i2i.images.sequence import Frames as Frames
