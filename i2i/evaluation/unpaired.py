"""Sets of pictures that are no pairs: how far apart their features lie, by KID and FID as torch-fidelity has them."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.features import FixedFeatureOptions, build_features
from i2i.features.published import Published, given_or_published
from i2i.foreign import read_tensors
from i2i.images.decode import open_picture, to_tensor
from i2i.inference.opening import Subject
from i2i.inference.pipeline import Read, batched, read_ahead
from i2i.training.runtime import memory_explained

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

FeatureName = Literal["inception", "squeezenet1_1", "vgg19", "random"]

INCEPTION = Published(
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    megabytes=96,
)
SIDE = 224
"""Pixels to which pictures are scaled for networks that torchvision trained."""
SUBSETS = 100
LARGEST_SUBSET = 1000
"""Of KID, as Bińkowski et al. 2018 and torch-fidelity have them."""


@dataclass(frozen=True)
class Features:
    """What pictures are compared by."""

    in_words: str
    files: Mapping[str, str]
    """What was read, with the SHA-256."""
    describe: Callable[[Tensor], Tensor]
    """uint8 (B, 3, H, W) → float (B, D), on any device."""


@dataclass(frozen=True)
class Distances:
    """Between two sets of pictures."""

    kid: float
    kid_deviation: float
    """Standard deviation over subsets."""
    fid: float
    subset: int
    """Pictures in each of the subsets that KID is the mean of."""
    pictures: int
    targets: int
    values: int
    """Features of each picture."""

    @property
    def remarks(self) -> list[str]:
        """What to keep in mind about these figures."""
        if (fewer := min(self.pictures, self.targets)) > self.values:
            return []
        return [f"{fewer} pictures are too few for the covariance of {self.values} features: FID is biased, KID is not"]


def build(name: FeatureName, weights: Path | None, device: torch.device) -> Features:
    """The features that are called so, with the published weights or those in a file.

    Raises `I2IError` where the weights, or torch-fidelity, cannot be had.
    """
    fidelity("metric_kid")  # now, not after all pictures were described
    if name == "inception":
        return _inception(weights, device)
    if name == "random" and weights is not None:
        raise UsageError("random features read no file; leave --features-weights out")
    network = build_features(FixedFeatureOptions(use=name, weights=None if weights is None else str(weights)))
    network.prepare()
    network.to(device)
    layer = list(network.layers)[-1]

    def describe(pictures: Tensor) -> Tensor:
        scaled = F.interpolate(pictures.to(device).float() / 255, (SIDE, SIDE), mode="bilinear", antialias=True)
        return network(scaled.clamp(0, 1), [layer])[layer].mean((2, 3))

    return Features(f"{name}, mean of {layer} of pictures scaled to {SIDE}×{SIDE}", dict(network.loaded), describe)


def described(reads: Iterable[Read[Any]], features: Features, batch: int) -> Iterator[Tensor | BrokenPicture]:
    """float64 (D,) of each picture as it comes, or why it could not be read; `batch` of one size at a time."""

    def shape(read: Read[Any]) -> Sequence[int] | None:
        return None if read.picture is None else tuple(read.picture.shape)

    for group in batched(reads, shape, lambda _: batch, most=4 * batch):
        pictures = [read.picture for read in group if read.picture is not None]
        if pictures:
            with torch.no_grad(), memory_explained("lower --batch"):
                rows = features.describe(torch.stack(pictures)).cpu().double()
            yield from rows
        yield from (read.broken for read in group if read.broken is not None)


def read(paths: Iterable[Path], batch: int = 1) -> Generator[Read[Path]]:
    """Pictures as their files hold them."""

    def opened(path: Path, enter: Callable[[int], None]) -> Tensor:
        return to_tensor(open_picture(path, examine=lambda header: enter(header.decoded_bytes)))

    yield from read_ahead(opened, paths, ahead=2 * batch + 2)


def translated(translator: Translator, paths: Iterable[Path], batch: int = 1, seed: int = 0) -> Generator[Read[Path]]:
    """Pictures as a model translates them, rounded to 8 bits as in a file."""
    for done in translator.stream((Subject(path, path) for path in paths), batch, seed):
        picture = None
        if done.picture is not None:
            picture = to_tensor(open_picture(done.whole.image()))
        yield Read(done.index, done.item, picture, done.broken)


def distances(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Distances:
    """KID (Bińkowski et al. 2018, section 4) and FID (Heusel et al. 2017) of pictures' features, float64 (D,) each.

    KID's kernel is (x·y / D + 1)³; it is the mean over 100 subsets of at most 1000 pictures and at most half a set.
    Raises `UsageError` for fewer than two pictures in a set.
    """
    fewer = min(len(ours), len(theirs))
    if fewer < 2:
        raise UsageError(f"KID and FID compare sets of pictures: {len(ours)} and {len(theirs)} are too few; at least 2")
    subset = max(2, min(LARGEST_SUBSET, fewer // 2))
    sets = [torch.stack(list(rows)) for rows in (ours, theirs)]  # (N, D), (M, D)
    how = {"kid_subsets": SUBSETS, "kid_subset_size": subset, "rng_seed": 0, "verbose": False}
    kid = fidelity("metric_kid").kid_features_to_metric(*sets, **how)
    statistics = [fidelity("metric_fid").fid_features_to_statistics(rows) for rows in sets]
    fid = fidelity("metric_fid").fid_statistics_to_metric(*statistics, verbose=False)
    return Distances(
        kid=kid["kernel_inception_distance_mean"],
        kid_deviation=kid["kernel_inception_distance_std"],
        fid=fid["frechet_inception_distance"],
        subset=subset,
        pictures=len(ours),
        targets=len(theirs),
        values=len(ours[0]),
    )


def fidelity(module: str) -> Any:
    """A module of torch-fidelity, which is no dependency of the core. Raises `I2IError` where it is missing."""
    try:
        return import_module(f"torch_fidelity.{module}")
    except ImportError as error:
        raise I2IError(f"KID and FID need torch-fidelity ({error}): pip install 'i2i[evaluate]'") from error


def _inception(weights: Path | None, device: torch.device) -> Features:
    instead = "name another file with --features-weights, or other features with --features"
    path, digest = given_or_published(
        None if weights is None else str(weights), INCEPTION, "the weights of Inception v3", instead
    )
    plain = io.BytesIO()  # torch-fidelity unpickles whatever it is given: this is known to hold tensors alone
    torch.save(read_tensors(path), plain)
    plain.seek(0)
    build_network = fidelity("feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    try:
        network = build_network("inception", ["2048"], feature_extractor_weights_path=plain).to(device)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise I2IError(f"{path}: not the weights of Inception v3 that torch-fidelity takes: {reason}") from error
    return Features("Inception v3", {path.name: digest}, lambda pictures: network(pictures.to(device))[0])
