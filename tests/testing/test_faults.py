"""A healthy plugin passes everything; each fault fails the one check that is meant for it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch

from i2i.testing import examine
from i2i.testing.bench import Bench
from i2i.testing.checks import Skipped, one_line
from i2i.testing.contract import subjects
from i2i.testing.target import find

FAULTY = Path(__file__).parents[1] / "plugins" / "faulty"
TILES = "model sound: tiles cut with its margin equal the whole"
NO_TORCH = "importing it and asking its hooks imports no torch"
RANKS = "two ranks, each with half of the batch, learn the same"
RESUMED = "two steps and two after resuming equal four, bit for bit"
LONG = {NO_TORCH: "package i2i-sound", RANKS: "trainer sound", RESUMED: "trainer sound"}
"""Checks that begin processes or whole runs: run for faults of their own subject."""

FAULTS = {
    "a_misspelt_hook": [
        (
            "package i2i-sound: it has an entry point and enters the catalog",
            "i2i_sound: unknown hook 'i2i_modles'; did you mean 'i2i_models'?",
        )
    ],
    "torch_at_import": [
        (
            f"package i2i-sound: {NO_TORCH}",
            "importing it imports torch: import that where something is built",
        )
    ],
    "another_recipe_not_built": [
        (
            "package i2i-sound: each of its recipes builds its model and its trainer",
            "recipe 'sound-wide': ValueError: four channels are too many",
        )
    ],
    "any_option_taken": [
        (
            "package i2i-sound: an unknown option is refused by its name",
            "trainer 'sound': takes an unknown option without a word (extra='forbid' was changed)",
        )
    ],
    "an_option_undescribed": [
        (
            "package i2i-sound: every option has a description",
            "without a description: dataset 'sound'.turned",
        )
    ],
    "a_recipe_mistyped": [
        (
            "package i2i-sound: its recipes are valid",
            "recipe 'sound-wide': sound-wide.yaml: model.widht: unknown key; did you mean 'width'?",
        )
    ],
    "a_recipe_that_drifts": [
        (
            "package i2i-sound: its recipes are valid",
            "recipe 'sound': read back from a run folder, it is another",
        )
    ],
    "built_elsewhere": [
        (
            "package i2i-sound: what its specs build lies in its own packages",
            "loss 'sound-image': 'i2i.losses.image:MSE' is in package i2i; its own is i2i_sound",
        )
    ],
    "a_tracker_of_no_kind": [
        (
            "tracker sound-diary: it builds a tracker from its default options",
            "builds a diary, which is no i2i.Tracker",
        )
    ],
    "a_tracker_that_cannot_go_on": [
        (
            "tracker sound-diary: it follows a run that goes back and goes on, and writes into no picture",
            "FileExistsError: ",
        )
    ],
    "a_model_in_float64": [
        (
            "model sound: it builds from its default options, on the CPU, in float32",
            "not float32: shades torch.float64",
        )
    ],
    "an_exit_while_building": [
        ("model sound: it builds from its default options, on the CPU, in float32", "SystemExit: needs scipy"),
        (
            "trainer sound: its recipe starts, with a model that has what it needs",
            "SystemExit: needs scipy",
        ),
    ],
    "inference_misnamed": [
        (
            "model sound: the parts that a weights file holds are there",
            "names colour; the model has critic, lens, network, tint",
        ),
        (
            "trainer sound: its recipe starts, with a model that has what it needs",
            "inference of model 'sound': names colour",
        ),
    ],
    "a_translation_out_of_range": [
        (
            "model sound: translations have the declared size and lie in [0, 1]",
            "not in [0, 1]",
        )
    ],
    "a_translation_too_small": [
        (
            "model sound: translations have the declared size and lie in [0, 1]",
            "answers (3, 3, 24, 20), expected (3, 3, 48, 40)",
        )
    ],
    "its_input_written_to": [
        (
            "model sound: translating leaves its input as it is",
            "writes into the pictures that it is given; begin with a copy",
        )
    ],
    "odd_sizes_undeclared": [
        (
            "model sound: pictures of any size come back in their size times the scale",
            "does its geometry say what it needs?",
        )
    ],
    "small_sizes_undeclared": [
        (
            "model sound: pictures of any size come back in their size times the scale",
            "fails on 1x1 pixels, which its geometry allows: RuntimeError: ",
        )
    ],
    "chance_without_a_seed": [
        (
            "model sound: the same seeds give the same answer twice",
            "translate: asked twice with the same seeds, it answers differently (they differ by up to",
        )
    ],
    "the_batch_mixed": [
        (
            "model sound: one picture alone equals the same in a batch",
            "translate: a picture alone is not what it is among others (they differ by up to",
        )
    ],
    "a_part_unsaved": [
        (
            "model sound: what a weights file keeps answers as before",
            "translate: what was saved and loaded answers differently; what is not saved?",
        )
    ],
    "what_moves_unsaved": [
        (
            "model sound: what a weights file keeps answers as before",
            "translate: what was saved and loaded answers differently; what is not saved?",
        )
    ],
    "another_way_unsaved": [
        (
            "model sound: what a weights file keeps answers as before",
            "translate with translate.way=back: what was saved and loaded answers differently; what is not saved?",
        )
    ],
    "a_margin_too_small": [(TILES, "margin=0 is too small; margin=32 is enough")],
    "a_margin_too_small_for_norms": [(TILES, "margin=0 is too small; margin=32 is enough")],
    "a_norm_of_the_whole_picture": [
        (TILES, "whatever its margin: nothing of it may look at the whole picture, no noise be as large")
    ],
    "a_norm_nobody_sees": [
        (TILES, "whatever its margin: only its norms, means and variances may look at the whole picture")
    ],
    "noise_of_each_tile": [
        (TILES, "whatever its margin: nothing of it may look at the whole picture, no noise be as large")
    ],
    "samples_without_a_size": [
        (
            "model sound-painter: samples have the declared size and lie in [0, 1]",
            "its geometry names no `size`: how large are its samples?",
        )
    ],
    "latents_of_the_batch": [
        (
            "model sound-painter: a latent is a function of its seed alone",
            "a seed gives other latents alone than among others; see normal_latents",
        )
    ],
    "samples_normalised_together": [
        (
            "model sound-painter: one picture alone equals the same in a batch",
            "sample: a picture alone is not what it is among others",
        )
    ],
    "a_loss_of_many_numbers": [
        ("loss sound-image: it answers one finite number", "forward answers (2,), not one number (0-dim)"),
        ("trainer sound: the numbers of every step are finite", "turn 'painter': minimise takes a 0-dim loss"),
    ],
    "a_gradient_detached": [
        (
            "loss sound-image: its gradient equals the numerical one",
            "forward: along one direction its gradient says",
        )
    ],
    "a_game_of_many_numbers": [
        (
            "loss sound-game: both of its sides answer one finite number",
            "discriminator answers (4, 1, 3, 3), not one number (0-dim)",
        ),
        ("trainer sound: the numbers of every step are finite", "turn 'critic': minimise takes a 0-dim loss"),
    ],
    "real_logits_needed": [
        (
            "loss sound-game: its generator's side needs the real logits only if its spec says so",
            "generator fails without real logits (TypeError: ",
        ),
        ("trainer sound: the numbers of every step are finite", "TypeError: "),
    ],
    "real_logits_used": [
        (
            "loss sound-game: its generator's side needs the real logits only if its spec says so",
            "with them; say needs_real_logits in its spec",
        )
    ],
    "both_sides_agree": [
        (
            "loss sound-game: its two sides pull the logits of generated pictures opposite ways",
            "one should rise, the other fall",
        )
    ],
    "real_pictures_pulled_alike": [
        (
            "loss sound-game: its discriminator's side pulls real and generated pictures opposite ways",
            "as those of generated ones do: one should rise, the other fall",
        )
    ],
    "real_pictures_ignored": [
        (
            "loss sound-game: its discriminator's side pulls real and generated pictures opposite ways",
            "discriminator changes by 0 as the logits of real pictures rise and by ",
        )
    ],
    "a_penalty_detached": [
        (
            "loss sound-game: its penalty, where it has one, keeps what a regulariser keeps",
            "penalty: no gradient reaches the function's parameters",
        )
    ],
    "a_game_detached": [
        (
            "loss sound-game: its gradients equal the numerical ones",
            "discriminator: along one direction its gradient says",
        )
    ],
    "a_module_wanted": [
        (
            "loss sound-regulariser: it takes any function of pictures and answers one finite number",
            "AttributeError: 'function' object has no attribute 'eval'",
        )
    ],
    "parameters_not_reached": [
        (
            "loss sound-regulariser: its gradient reaches the parameters of that function",
            "no gradient reaches the function's parameters: what is it that learns? (create_graph=True)",
        )
    ],
    "a_slope_detached": [
        (
            "loss sound-regulariser: its gradient equals the numerical one",
            "forward: along one direction its gradient says",
        )
    ],
    "never_due": [
        (
            "loss sound-regulariser: it comes every so many steps",
            "its `every` is 0: steps, a whole number from 1 up",
        )
    ],
    "pictures_uncut": [
        (
            "dataset sound: its samples are bytes of one size",
            "'picture' is (3, 16, 16) in one sample and (3, ",
        ),
        (
            "trainer sound: its recipe starts, with a model that has what it needs",
            "I2IError: dataset: picture is (3, 80, 104) in one sample and (3, 88, 72) in another",
        ),
    ],
    "samples_of_floats": [
        (
            "dataset sound: its samples are bytes of one size",
            "'picture' is torch.float32; a worker hands on uint8",
        )
    ],
    "chance_of_its_own": [
        (
            "dataset sound: a sample is a function of its index and its chance",
            "the same index and rng give another picture: draw from `rng` alone",
        ),
        (
            "trainer sound: two steps and two after resuming equal four, bit for bit",
            "resumed after two steps, the state after four is another",
        ),
    ],
    "a_dataset_that_stays": [
        (
            "dataset sound: it can be sent to a loader's worker",
            "cannot be sent to a loader's worker: ",
        )
    ],
    "a_key_missing": [
        (
            "dataset sound: a batch holds what its spec promises, in [0, 1]",
            "its spec promises picture; a batch holds image",
        ),
        ("trainer sound: the numbers of every step are finite", "KeyError: 'picture'"),
    ],
    "a_part_lacking": [
        (
            "trainer sound: its recipe starts, with a model that has what it needs",
            "UsageError: trainer 'sound' needs a model with network, judge; 'sound' has network, critic, lens",
        )
    ],
    "a_trainer_that_refuses": [
        (
            "trainer sound: its recipe starts, with a model that has what it needs",
            "UsageError: a critic judges pictures of 256 pixels only",
        )
    ],
    "steps_not_finite": [
        (
            "trainer sound: the numbers of every step are finite",
            "not finite: gradients at step 2",
        )
    ],
    "a_parameter_forgotten": [
        (
            "trainer sound: everything that its optimizers own learns within a few steps",
            "in 8 steps no turn moved lens.weight, lens.bias: does its loss depend on it?",
        )
    ],
    "nobodys_parameter_moved": [
        (
            "trainer sound: what no optimizer owns stays as it is",
            "moved, though no optimizer owns it: lens.weight; keep it in a buffer",
        )
    ],
    "another_turns_parameter_moved": [
        (
            "trainer sound: during a turn only that turn's parameters learn",
            "moved critic.weight in the turn 'painter'",
        )
    ],
    "a_count_unsaved": [
        (
            "trainer sound: two steps and two after resuming equal four, bit for bit",
            "what does the next step depend on that state_dict does not hold?",
        )
    ],
    "gradients_of_one_rank": [
        (
            f"trainer sound: {RANKS}",
            "after two steps the ranks differ in network.0.weight",
        )
    ],
    "a_rank_that_fails": [
        (
            f"trainer sound: {RANKS}",
            "rank 1: RuntimeError: too hot here",
        )
    ],
    "no_bf16": [
        (
            "trainer sound: it computes in bf16",
            "TypeError: Got unsupported ScalarType BFloat16",
        )
    ],
}

LATE = "trainer sound: everything that its optimizers own learns within a few steps"
UNUSUAL = {
    "a_game_between_minus_one_and_one": {},
    "a_loss_of_large_pictures": {},
    "a_model_that_waits": {
        "model sound: the parts that a weights file holds are there": "recipe 'sound' waits for its user: "
        "UsageError: model.style: not given",
    },
    "a_norm_that_is_declared": {},
    "a_teacher_of_buffers": {},
    "a_turn_that_comes_late": {LATE: "in 8 steps there was no turn of lens"},
}
"""Sound plugins that are like no other → what cannot be told of them."""


def changed(folder, change):
    """The healthy plugin with some files replaced."""
    project, ignored = folder / change.name, shutil.ignore_patterns("__pycache__")
    shutil.copytree(FAULTY / "sound", project, ignore=ignored)
    return Path(shutil.copytree(change, project, ignore=ignored, dirs_exist_ok=True))


def failures(project):
    """`subject: check` → reason."""
    return outcomes(project)[0]


def outcomes(project):
    """What fails, and what is skipped: `subject: check` → reason."""
    target = find(str(project))
    leave = target.enter()
    meant = {sentence.partition(": ")[0] for sentence, _ in FAULTS.get(project.name, ())}
    failed, skipped = {}, {}
    try:
        for subject in subjects(Bench(target)):
            for check in subject.checks:
                if LONG.get(check.sentence, subject.label) != subject.label or (
                    check.sentence in LONG and subject.label not in meant
                ):
                    continue
                try:
                    subject.run(check)
                except Skipped as reason:
                    skipped[f"{subject.label}: {check.sentence}"] = str(reason)
                except (Exception, SystemExit) as error:
                    failed[f"{subject.label}: {check.sentence}"] = one_line(error)
    finally:
        leave()
    return failed, skipped


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_fault_has_its_check():
    assert {path.name for path in (FAULTY / "faults").iterdir()} == set(FAULTS)
    assert {path.name for path in (FAULTY / "unusual").iterdir()} == set(UNUSUAL)


def test_the_healthy_plugin_passes_everything_and_every_check_is_shown_to_fail():
    before = [*sys.path], torch.get_rng_state()
    outcomes = list(examine(str(FAULTY / "sound")))
    assert sys.path == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert [outcome for outcome in outcomes if outcome.verdict == "failed"] == []
    passed = {f"{outcome.subject}: {outcome.check}" for outcome in outcomes if outcome.verdict == "passed"}
    sentences = {sentence.partition(": ")[2] for sentence in passed}
    meant = {sentence.partition(": ")[2] for expected in FAULTS.values() for sentence, _ in expected}
    assert sentences - meant <= {"it computes on a CUDA device"}
    assert meant <= sentences
    skipped = {outcome.reason for outcome in outcomes if outcome.verdict == "skipped"}
    assert skipped <= {
        "it makes no pictures out of nothing: it translates",
        "it translates no pictures: it makes them out of nothing",
        "no CUDA device here",
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_check_that_is_meant_for_it(fault, tmp_path):
    failed = failures(changed(tmp_path, FAULTY / "faults" / fault))
    assert failed.keys() == {sentence for sentence, _ in FAULTS[fault]}
    for sentence, reason in FAULTS[fault]:
        assert reason in failed[sentence]
        assert "\n" not in failed[sentence]


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_what_is_unusual_and_sound_passes(unusual, tmp_path):
    failed, skipped = outcomes(changed(tmp_path, FAULTY / "unusual" / unusual))
    assert failed == {}
    assert UNUSUAL[unusual].items() <= skipped.items()
