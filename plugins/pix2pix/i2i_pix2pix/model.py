"""Both networks in one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from i2i import Geometry, PatchDiscriminator, Request, ResNetGenerator, UNetGenerator, initialise
from i2i_pix2pix import ModelOptions
from i2i_pix2pix.answers import ANSWERS, Answer


class Pix2Pix(nn.Module):
    """G = `generator`, D = `discriminator`."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.answer = answer = ANSWERS[options.answers]
        self.generator: Any = generator(options, answer)
        self.discriminator: Any = PatchDiscriminator(
            options.discriminator_width, options.discriminator_layers, inputs=answer.inputs + 3, affine=True
        )
        self.apply(initialise)
        network = self.generator
        self.geometry = Geometry(
            multiple_of=network.multiple_of,
            min_size=network.min_size,
            margin=network.margin,
            restores=options.restores,
            fills=options.answers == "holes",
            # noise is drawn for a whole picture: tiles would each begin it anew
            tiling="statistics" if isinstance(network, ResNetGenerator) and not options.dropout else "never",
        )

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same shape and range; a model of holes needs the request's mask."""
        options: Any = request.options
        return self.made_of(images, request.mask, request.seeds if options.dropout else None)

    def made_of(self, source: Tensor, mask: Tensor | None = None, seeds: Sequence[int] | None = None) -> Tensor:
        """(B, 3, H, W), mask (B, 1, H, W) for a model of holes, a seed a picture → (B, 3, H, W); all in [0, 1].

        Without seeds there is noise in training only. Raises `UsageError` where holes need a mask and there is none.
        """
        made = self.generator(self.answer.shown(source, mask), seeds)
        return self.answer.picture(made, source, mask)

    def judged(self, pictures: Tensor, shown: Tensor) -> Tensor:
        """Logits (B, 1, h, w) of pictures (B, 3, H, W), given what the generator was shown (B, inputs, H, W)."""
        return self.discriminator(torch.cat([shown, pictures], 1))


def generator(options: ModelOptions, answer: Answer) -> ResNetGenerator | UNetGenerator:
    """The generator that the options describe.

    Instance norms are those of each picture by itself, with learned scales: what the published batch norm is for the
    batch of one picture that it is used with, in training and afterwards (section 3.3).
    """
    kind, _, number = options.generator.partition("-")
    network = UNetGenerator if kind == "unet" else ResNetGenerator
    return network(
        int(number),
        options.width,
        options.upsampling == "resize",
        inputs=answer.inputs,
        outputs=answer.outputs,
        dropout=options.dropout,
        affine=True,
        batch=options.norm == "batch",
    )
