import pytest
import torch

from i2i.training.diversity import EARLY, DiversityWatch

DATA = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def watch():
    return DiversityWatch(DATA, warn_below=0.3)


def test_the_data_itself_is_as_diverse_as_the_data(watch):
    assert watch.measure(DATA) == 1


def test_one_picture_many_times_has_no_diversity(watch):
    assert watch.measure(DATA[:1].expand(64, -1, -1, -1)) < 1e-3


def test_two_modes_have_half_the_diversity_of_many(watch):
    modes = DATA[:2].repeat(32, 1, 1, 1)
    assert watch.measure(modes) == pytest.approx(0.5, abs=0.05)


def test_data_without_any_variety_does_not_divide_by_zero():
    assert torch.isfinite(DiversityWatch(DATA[:1].expand(4, -1, -1, -1), 0.3).measure(DATA))


def test_a_fall_is_told_once_in_words(watch):
    assert watch.warning(0.8, 10) is None
    text = watch.warning(0.12, 20)
    assert text is not None
    assert text.startswith("the samples differ from each other only 0.12 times as much as the data does: ")
    assert "may be collapsing" in text
    assert watch.warning(0.05, 30) is None


def test_samples_that_have_not_begun_to_differ_yet_are_no_surprise(watch):
    assert watch.warning(0.01, EARLY - 1) is None
    assert watch.warning(0.01, EARLY) is not None
