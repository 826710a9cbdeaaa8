"""Which picture sizes a model takes: declared by the model, honoured by the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Tiling = Literal["margin", "statistics", "never"]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The core pads, expands channels and crops by these figures; a model never does."""

    scale: int = 1
    """Output pixels per input pixel, along each side."""
    multiple_of: int = 1
    """Height and width that the network takes are multiples of this."""
    min_size: int = 1
    """The smallest height and width that the network takes."""
    margin: int = 0
    """How many input pixels away an input can influence an output (half the receptive field), norms aside."""
    channels: int = 3
    """1 or 3; a one-channel model is given luma and its answer is shown as grey."""
    size: tuple[int, int] | None = None
    """The one (height, width) that the model knows, where it knows only one: what it learns from and samples. Pictures
    that it translates are brought to this size and its answers back to theirs."""
    restores: bool = False
    """Whether the answer shows the same picture, only better: grey stays grey, and transparency goes through the model
    too, as a grey picture. Else it is a new picture: RGB, over which the source's transparency is carried. Either way
    16 bits stay 16 bits, and what is transparent is shown to the model in the colours of what is visible around it."""
    fills: bool = False
    """Whether the answer is the same picture with only its holes made anew: what is not opaque, and what a mask shows.
    Each call is told of them by `Request.mask`, and what lies under it is whatever the file happened to hold. All other
    pixels stay as they are, bit for bit, in grey or colours, of 8 or 16 bits, with their colour profile."""
    tiling: Tiling = "never"
    """What becomes of pictures that do not fit into memory. `margin`: they are cut into tiles that overlap by `margin`,
    and the answer is that of the whole picture. `statistics`: the same, if norms go by the whole picture, to which the
    core sees: it finds them by their calls, the model declares nothing more, and `margin` is what else a pixel depends
    on. `never`: a pixel depends on the whole picture in other ways, or on chance drawn in its size; never cut."""

    def __post_init__(self) -> None:
        if self.fills and (self.scale != 1 or self.size is not None):
            raise ValueError("a model that fills keeps each picture's size: scale is 1 and size None")

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) that a picture of this size has when it reaches the network."""
        if self.size is not None:
            return self.size

        def up(size: int) -> int:
            return -(-max(size, self.min_size) // self.multiple_of) * self.multiple_of

        return up(height), up(width)

    def channelled(self, pictures: Tensor) -> Tensor:
        """(…, 3, H, W) → (…, channels, H, W) as the model takes it: luma for one channel. A mask stays as it is."""
        if pictures.shape[-3] in (1, self.channels):
            return pictures
        return luma(pictures)


def luma(pictures: Tensor) -> Tensor:
    """(…, 3, H, W) → (…, 1, H, W): how light each pixel is (ITU-R BT.601)."""
    red, green, blue = (pictures[..., place, :, :] * share for place, share in enumerate(LUMA))
    return (red + green + blue).unsqueeze(-3)
