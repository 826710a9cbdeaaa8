"""The tutorial is true: a reader who does what it says gets what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Player

FIRST_LOOK = "\n## A model\n"
"""Up to here the page has announced a model, installed the package and listed it."""


def test_the_tutorial_works_as_it_is_written(player: Player, tutorial: str) -> None:
    player.play(tutorial)


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("def i2i_models():", "def i2i_models(catalog):", "Argument(s) {'catalog'} are declared in the hookimpl"),
        ("def i2i_models():", "def i2i_model():", "unknown hook 'i2i_model'; did you mean 'i2i_models'?"),
        ('inference=("toner",),', 'parts=("toner",),', "unexpected keyword argument 'parts'"),
        ("        ModelSpec(\n", "        TrainerSpec(\n", "unexpected keyword argument 'translate_options'"),
        ("i2i import LossSpec", "i2i import Flaw, LossSpec", "cannot import name 'Flaw' from 'i2i'"),
    ],
    ids=["parameter of a hook", "name of a hook", "field of a spec", "kind of spec", "public name"],
)
def test_a_tutorial_that_no_longer_fits_the_program_is_refused(
    written: str, instead: str, complaint: str, player: Player, tutorial: str
) -> None:
    beginning = tutorial.partition(FIRST_LOOK)[0]
    assert written in beginning
    with pytest.raises(AssertionError) as refused:
        player.play(beginning.replace(written, instead))
    assert "the page shows" in str(refused.value)
    assert "broken  i2i-sepia 0.1.0: i2i_sepia: " in str(refused.value)
    assert complaint in str(refused.value)


def test_the_beginning_alone_is_not_refused(player: Player, tutorial: str) -> None:
    player.play(tutorial.partition(FIRST_LOOK)[0])


@pytest.mark.parametrize(
    ("shown", "said", "fitting"),
    [
        ("done", "done\n", True),
        ("done", "done\nand more\n", False),
        ("done\n…", "done\nand more\n", True),
        ("…\nlast", "first\nlast\n", True),
        ("…\nlast", "last\n", True),
        ("loss …  of 3", "loss 0.25 of 3\n", True),
        ("model  sepia", "model     sepia   \n", True),
        ("model sepia", "modelsepia\n", False),
        ("a\nb", "a\nc\n", False),
    ],
)
def test_what_is_shown_is_compared_with_what_is_said(shown: str, said: str, fitting: bool, fits) -> None:
    assert fits(said, tuple(shown.split("\n"))) is fitting


def test_a_command_that_ends_otherwise_than_the_page_says_is_refused(player: Player) -> None:
    with pytest.raises(AssertionError, match="ended with 2, not 0"):
        player.play("```console\n$ i2i show no-such-recipe\n```\n")
    player.play("```console\n$ i2i show no-such-recipe\nError: unknown recipe …\n(exit code 2)\n```\n")


def test_a_program_that_the_page_may_not_run_is_refused(player: Player) -> None:
    with pytest.raises(AssertionError, match="the page runs rm"):
        player.play("```console\n$ rm -rf there\n```\n")
