from __future__ import annotations

import math

import torch
from i2i_cyclegan.replay import ReplayPool
from torch import Tensor


def numbered(*numbers: int) -> Tensor:
    """Pictures (B, 1, 1, 1) whose only pixel is their number."""
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1)


def numbers(pictures: Tensor) -> list[int]:
    return [int(number) for number in pictures.flatten()]


def shown(pool: ReplayPool, first: int, last: int) -> list[int]:
    return [numbers(pool.exchange(numbered(number)))[0] for number in range(first, last)]


def test_pool_fills_first_and_shows_what_it_was_given() -> None:
    pool = ReplayPool(5)
    assert numbers(pool.exchange(numbered(0, 1, 2))) == [0, 1, 2]
    assert numbers(pool.exchange(numbered(3, 4))) == [3, 4]
    assert [int(picture) for picture in pool.pictures] == [0, 1, 2, 3, 4]


def test_full_pool_shows_an_older_picture_about_half_the_time_and_keeps_its_size() -> None:
    pool = ReplayPool(50)
    shown(pool, 0, 50)
    answers = shown(pool, 50, 2050)
    older = sum(answer != number for number, answer in enumerate(answers, start=50))
    assert 900 < older < 1100
    assert len(pool.pictures) == 50


def test_an_older_picture_is_replaced_by_the_fresh_one_and_never_shown_from_the_pool_again() -> None:
    pool = ReplayPool(3)
    shown(pool, 0, 3)
    held = [0, 1, 2]
    for number in range(3, 200):
        (answer,) = numbers(pool.exchange(numbered(number)))
        if answer != number:
            held[held.index(answer)] = number  # raises where it was not held
        assert [int(picture) for picture in pool.pictures] == held


def test_pictures_of_one_batch_are_drawn_independently() -> None:
    pool = ReplayPool(8)
    pool.exchange(numbered(*range(8)))
    batch = numbers(pool.exchange(numbered(*range(100, 164))))
    fresh = sum(answer == number for number, answer in enumerate(batch, start=100))
    assert len(batch) == 64
    assert 16 < fresh < 48


def test_pool_of_size_zero_shows_the_newest_and_keeps_nothing() -> None:
    pool = ReplayPool(0)
    assert shown(pool, 0, 20) == list(range(20))
    assert pool.pictures == []


def test_a_kept_picture_does_not_keep_its_batch_in_memory() -> None:
    pool = ReplayPool(2)
    pool.exchange(torch.rand(8, 3, 4, 4))
    assert all(picture.untyped_storage().nbytes() == 3 * 4 * 4 * 4 for picture in pool.pictures)


def test_what_is_shown_is_a_function_of_torchs_seed() -> None:
    def run(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return shown(ReplayPool(4), 0, 60)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_what_is_not_finite_is_not_kept() -> None:
    pool = ReplayPool(2)
    broken = torch.tensor([math.nan, math.inf, -math.inf, 0.25]).view(1, 1, 2, 2)
    assert bool(pool.exchange(broken).isnan().any())
    assert pool.pictures[0].flatten().tolist() == [0.5, 1, 0, 0.25]
