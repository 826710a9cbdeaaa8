"""Sampling, reconstruction and interpolation of pictures (Kingma and Welling 2014) for i2i."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import Field

from i2i import ModelSpec, Options, Role, ScheduleOptions, TrainerSpec, hookimpl

PAPER = "Kingma and Welling, Auto-Encoding Variational Bayes, 2014"


class ModelOptions(Options):
    """The encoder and the decoder, which mirror each other."""

    size: Literal[16, 28, 32, 64, 128] = Field(64, description="side of the pictures, in pixels")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour")
    width: int = Field(
        64, ge=1, description="channels of the map of half the side; doubled with each smaller one, up to 8 times"
    )
    latent: int = Field(128, ge=1, description="numbers that a picture is made of")
    norm: Literal["group", "batch", "none"] = Field(
        "group", description="after each convolution; batch: a picture's training depends on its companions"
    )
    upsampling: Literal["transposed", "resize"] = Field(
        "transposed", description="how the decoder doubles: transposed convolution, or resize and convolve"
    )


class SampleOptions(Options):
    """What sampling can be told; reconstruction does not listen."""

    temperature: float = Field(
        1.0, ge=0, le=10, description="what latents are multiplied by; 1: the prior, less: likelier and more alike"
    )


class TrainerOptions(ScheduleOptions):
    """The objective and its optimizer."""

    learning_rate: float = Field(1e-3, gt=0, description="of Adam, for both networks")
    beta1: float = Field(0.9, ge=0, lt=1, description="of Adam: decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="of Adam: decay of the mean squared gradient")
    beta: float = Field(
        1.0, ge=0, description="β, weight of the divergence from the prior (Higgins et al. 2017); 1: as published"
    )
    beta_warm_up: int = Field(0, ge=0, description="steps in which β rises from 0; 0: it begins at its full")

    def beta_at(self, step: int) -> float:
        """β at this step: absolute, a function of step alone."""
        return self.beta * (min(1.0, (step + 1) / self.beta_warm_up) if self.beta_warm_up else 1.0)


@hookimpl
def i2i_models() -> Iterable[ModelSpec]:
    """Pictures to latents and back, and pictures out of nothing."""
    return (
        ModelSpec(
            name="vae",
            summary="an encoder of pictures of one size to latents, and the decoder of latents to pictures",
            paper=PAPER,
            options=ModelOptions,
            translate_options=SampleOptions,
            inference=("encoder", "decoder"),
            build="i2i_vae.model:VAE",
        ),
    )


@hookimpl
def i2i_trainers() -> Iterable[TrainerSpec]:
    """Equation 10 of the paper, with the β of Higgins et al. 2017."""
    return (
        TrainerSpec(
            name="vae",
            summary="reconstruction of one folder of pictures through latents near a Gaussian",
            paper=f"{PAPER}; Higgins et al., β-VAE: Learning Basic Visual Concepts with a Constrained Variational "
            "Framework, 2017",
            options=TrainerOptions,
            roles={
                "reconstruction": Role(
                    "image", "the decoded picture is the encoded one; mse: a Gaussian of deviation (2 · weight)^-½"
                ),
                "perceptual": Role("image", "the decoded picture looks like the encoded one", optional=True),
            },
            submodules=("encoder", "decoder"),
            keys=("picture",),
            ema=("encoder", "decoder"),
            build="i2i_vae.trainer:VAETrainer",
        ),
    )


@hookimpl
def i2i_recipes() -> Iterable[Traversable]:
    """`vae`, `vae-digits`, `vae-perceptual`."""
    recipes = (files(__name__) / "recipes").iterdir()
    return sorted((file for file in recipes if file.name.endswith(".yaml")), key=lambda file: file.name)
