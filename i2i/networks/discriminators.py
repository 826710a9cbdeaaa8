"""The discriminator that judges a picture patch by patch."""

from __future__ import annotations

from torch import Tensor, nn

from i2i.errors import UsageError
from i2i.networks.layers import InstanceNorm


class PatchDiscriminator(nn.Module):
    """C64-C128-C256-C512 and one logit a patch (Isola et al. 2017, 6.1.2); 70×70 pixels a patch with 3 layers.

    `inputs` are channels; `affine` gives its norms a learned scale and shift.
    """

    def __init__(self, width: int, layers: int, inputs: int = 3, affine: bool = False) -> None:
        super().__init__()
        self.layers = layers
        self.min_size = 3 * 2**layers  # 3×3 → 2×2 → 1×1 behind the strided layers; a norm needs more than one value
        sequence: list[nn.Module] = [nn.Conv2d(inputs, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels = width
        for layer in range(1, layers + 1):
            wider = width * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            sequence += [
                nn.Conv2d(channels, wider, 4, stride=stride, padding=1),
                InstanceNorm(wider, affine=affine),
                nn.LeakyReLU(0.2),
            ]
            channels = wider
        self.model = nn.Sequential(*sequence, nn.Conv2d(channels, 1, 4, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, inputs, H, W) in [0, 1] → logits (B, 1, about H/8, about W/8) with 3 layers.

        Raises `UsageError` for pictures that are smaller than `min_size`.
        """
        height, width = pictures.shape[-2:]
        if min(height, width) < self.min_size:
            raise UsageError(
                f"a discriminator of {self.layers} layers judges pictures from {self.min_size}×{self.min_size} up, "
                f"found {width}×{height}: raise dataset.crop or lower model.discriminator_layers"
            )
        return self.model(pictures * 2 - 1).float()
