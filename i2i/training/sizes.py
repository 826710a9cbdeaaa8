"""Whether what a dataset gives is what a model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from i2i.contracts import Geometry, Options
from i2i.errors import RecipeError


def check_size(tensors: Mapping[str, Tensor], model: nn.Module, dataset: Options) -> None:
    """Raise `RecipeError` where pictures, (B, C, H, W) each, are of a size that the model does not learn from."""
    key_of_size = "size" if "size" in type(dataset).model_fields else "crop"
    geometry: Any = getattr(model, "geometry", Geometry())
    for key, pictures in tensors.items():
        if pictures.dim() != 4:
            continue
        height, width = pictures.shape[-2:]
        if geometry.size is not None and geometry.size != (height, width):
            wanted = "{1}×{0}".format(*geometry.size)
            raise RecipeError(
                [
                    f"dataset: gives {key} of {width}×{height} pixels; this model makes {wanted}: "
                    "set dataset.size or the model's size"
                ]
            )
        if geometry.scale == 1 and geometry.padded(height, width) != (height, width):
            wanted = f"multiples of {geometry.multiple_of} from " if geometry.multiple_of > 1 else ""
            wanted += f"{geometry.min_size} up"
            raise RecipeError(
                [
                    f"dataset: gives {key} of {width}×{height} pixels; this model learns from {wanted}: "
                    f"set dataset.{key_of_size}"
                ]
            )
