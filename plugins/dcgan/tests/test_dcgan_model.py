from __future__ import annotations

import pytest
import torch
from i2i_dcgan import ModelOptions, SampleOptions
from i2i_dcgan.model import DCGAN

import i2i

TINY = {"size": 16, "width": 4, "latent": 8}


def asked(seeds: tuple[int, ...], name: str | None = None) -> i2i.Request:
    return i2i.Request(seeds=seeds, options=SampleOptions(class_name=name))


def test_a_latent_is_a_function_of_its_seed_alone() -> None:
    model = DCGAN(ModelOptions(**TINY))
    together = model.latents([3, 5, 7])
    assert together.shape == (3, 8)
    assert torch.equal(together[1:2], model.latents([5]))


def test_a_sample_does_not_depend_on_its_batch() -> None:
    model = DCGAN(ModelOptions(**TINY)).eval()
    seeds = tuple(range(9))
    with torch.no_grad():
        together = model.sample(model.latents(seeds), asked(seeds))
        alone = torch.cat([model.sample(model.latents([seed]), asked((seed,))) for seed in seeds])
    assert torch.equal((together * 255).round(), (alone * 255).round())


def test_the_geometry_names_the_one_size_and_the_channels() -> None:
    geometry = DCGAN(ModelOptions(size=28, channels=1, width=4)).geometry
    assert (geometry.size, geometry.channels) == ((28, 28), 1)


def test_a_class_is_drawn_by_name_and_otherwise_chosen_by_the_seed() -> None:
    model = DCGAN(ModelOptions(**TINY, classes=("cat", "dog"))).eval()
    latents = model.latents([0, 0])
    with torch.no_grad():
        dogs = model.sample(latents, asked((0, 1), "dog"))
        chosen = model.sample(latents, asked((4, 7)))
        plain = model.generator(latents, torch.tensor([0, 1]))
    assert torch.equal(dogs[0], dogs[1])
    assert torch.equal(chosen, plain)


@pytest.mark.parametrize(
    ("classes", "known"), [(("cat", "dog"), "they know cat, dog"), ((), "they were trained without classes")]
)
def test_an_unknown_class_is_refused_by_name(classes: tuple[str, ...], known: str) -> None:
    model = DCGAN(ModelOptions(**TINY, classes=classes))
    with pytest.raises(i2i.UsageError) as refusal:
        model.sample(model.latents([0]), asked((0,), "cow"))
    assert str(refusal.value) == f"translate.class_name: no class 'cow' in these weights; {known}"
