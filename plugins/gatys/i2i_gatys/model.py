"""Paints photos: what a style is, the features it is of, and the way from a photo to a painting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from i2i import Geometry, Loop, Request, UsageError, build_features, normal_latents
from i2i_gatys import ModelOptions, TranslateOptions
from i2i_gatys.canvas import CanvasTrainer, planned
from i2i_gatys.colour import luma, palette, repainted, with_luma_of
from i2i_gatys.objective import Goal, Objective
from i2i_gatys.style import Style, layers_of, nearest_octave, read_picture, remarks_on, resized, shares_of


class Gatys(nn.Module):
    """`style` is all that is learned, of paintings alone; `features` are loaded, or learned with it."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        self.features = build_features(options.features)
        self.style_layers, self.content_layers = layers_of(options, self.features)
        styles = max(1, len(options.style))
        self.style = Style(self.features, self.style_layers, styles, options.style_scale)
        self.shares = shares_of(options.style_weights, styles)
        self.geometry = Geometry(min_size=self.features.smallest)
        self.loaded: Mapping[str, str] = {}
        self.remarks: Sequence[str] = ()

    def prepare(self) -> None:
        """Read the features' weights, and the style pictures where the style is not known yet."""
        self.features.prepare()
        self.loaded, self.remarks = dict(self.features.loaded), remarks_on(self.features, "model")
        if self.options.style and not self.style.is_known:
            self.style.read(self.options.style, self.features)

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same, painted coarse to fine (Gatys et al. 2017, section 6)."""
        device = images.device.type
        reduced = torch.is_autocast_enabled(device) and not self.features.learns  # what was learned is sharper
        with torch.autocast(device, enabled=False):  # Gram matrices sum over thousands of places
            return self._painted(images, request, reduced)

    def _painted(self, images: Tensor, request: Request, reduced: bool) -> Tensor:
        options: Any = request.options
        shares, masks = self.shares.to(images), self._masks(options, images)
        stages = planned(options.scales, images.shape[-2], images.shape[-1], self.features.smallest)
        total, done, canvases = sum(stage.scale.steps for stage in stages), 0, list[Tensor]()
        for number, stage in enumerate(stages, 1):
            photos = resized(images, stage.height, stage.width)
            if canvases:
                canvases = [resized(canvas, stage.height, stage.width) for canvas in canvases]
            else:
                seeds = request.seeds or range(len(photos))
                canvases = [
                    self._first_canvas(photo, seed, options, shares, masks)
                    for photo, seed in zip(photos.split(1), seeds, strict=True)
                ]
            chosen = options.model_copy(update=stage.scale.chosen())
            goals = [self.goal(photo, chosen, shares, masks) for photo in photos.split(1)]
            trainer = CanvasTrainer(self, canvases, [Objective(self.features, goal, reduced) for goal in goals], chosen)
            part = _part(request, number, done, total, stage.scale.steps)
            Loop.optimise(trainer, {"photo": photos}, stage.scale.steps, part)
            canvases = list(trainer.preview({})["canvas"].split(1))
            done += stage.scale.steps
        finished = [_finished(canvas, image[None], options) for canvas, image in zip(canvases, images, strict=True)]
        return torch.cat(finished)

    def goal(self, photo: Tensor, options: TranslateOptions, shares: Tensor, masks: Tensor | None) -> Goal:
        """What is wanted of the canvas of a photo (1, 3, H, W), at its size; `masks` (styles, H, W) of any size."""
        masks = _resized_masks(masks, photo)
        octave = nearest_octave(self.features.sizes, max(photo.shape[-2:]))
        return Goal(
            photo=self._coloured(photo, shares, masks) if self.features.learns else photo,
            grams=self.style.mixed(octave, shares) if masks is None else self.style.grams(octave),
            shares=shares if masks is not None else shares.new_ones(1),
            style_layers=self.style_layers,
            content_layers=self.content_layers,
            style=options.style,
            content=options.content,
            variation=self.features.variation if options.variation is None else options.variation,
            masks=masks,
            octave=octave,
            tile=options.tile,
        )

    def _masks(self, options: TranslateOptions, images: Tensor) -> Tensor | None:
        """(styles, H, W) in [0, 1], as large as the photos."""
        if not options.masks:
            return None
        if len(options.masks) != len(self.shares):
            raise UsageError(f"translate.masks: {len(options.masks)} masks for {len(self.shares)} styles; one for each")
        masks = [luma(read_picture(name)).to(images) for name in options.masks]
        return torch.cat([resized(mask, *images.shape[-2:])[:, 0] for mask in masks])

    def _first_canvas(
        self, photo: Tensor, seed: int, options: TranslateOptions, shares: Tensor, masks: Tensor | None
    ) -> Tensor:
        if options.initial == "noise":
            return (0.5 + 0.2 * normal_latents([seed], photo.shape[1:]).to(photo)).clamp(0, 1)
        return self._coloured(photo, shares, masks) if options.initial == "colour" else photo

    def _coloured(self, photo: Tensor, shares: Tensor, masks: Tensor | None) -> Tensor:
        """(1, 3, H, W) in the colours of the styles: of each where its mask is white, of all mixed elsewhere."""
        mixed, masks = self.style.coloured(photo, shares), _resized_masks(masks, photo)
        if masks is None:
            return mixed
        alone = torch.cat([self.style.coloured(photo, one) for one in torch.eye(len(shares)).to(shares)])
        covered = masks.sum(0).clamp_min(1)  # where masks overlap, each has its part
        return (mixed * (1 - masks.sum(0) / covered) + (alone * (masks / covered)[:, None]).sum(0)).clamp(0, 1)


def _resized_masks(masks: Tensor | None, photo: Tensor) -> Tensor | None:
    return None if masks is None else resized(masks[:, None], photo.shape[-2], photo.shape[-1])[:, 0]


def _finished(canvas: Tensor, photo: Tensor, options: TranslateOptions) -> Tensor:
    """(1, 3, h, w) as large as the photo, with the colours that are asked for."""
    painting = resized(canvas, *photo.shape[-2:])
    if options.colours == "luminance":
        return with_luma_of(photo, light=painting)
    if options.colours == "histogram":
        mean, covariance = palette(photo)
        return repainted(painting, mean[0], covariance[0])
    return painting


def _part(request: Request, scale: int, done: int, total: int, steps: int) -> Request:
    """The request as one scale of several sees it: its progress is a part of the whole."""

    def report(fraction: float, loss: float, **parts: float) -> None:
        iteration = done + round(fraction * steps)
        request.report(iteration / total, scale=scale, iteration=iteration, loss=loss)

    def show(iteration: int, pictures: Tensor) -> None:
        request.show(done + iteration, pictures)

    return replace(request, report=report, show=show)
