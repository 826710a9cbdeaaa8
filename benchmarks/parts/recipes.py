"""How long the trainings take that READMEs show results of."""

from __future__ import annotations

from dataclasses import replace
from tempfile import TemporaryDirectory

from benchmarks.rows import Asked, Found, row_of
from i2i import discover, load_recipe
from i2i.bench.sides import Side, in_turns

SHOWN = ("cyclegan-digits", "dcgan-digits", "vae-digits", "pix2pix-holes-light")
FEW = ("cyclegan-digits",)


def recipes(asked: Asked) -> Found:
    """A step of each as `i2i fit` takes it, pictures loaded from files; and what all its steps take."""
    rows, catalog, precision = [], discover(), asked.precisions[-1]
    names = FEW if asked.quick else SHOWN
    for name in names:
        steps, overrides = load_recipe(catalog, name).run.steps, ["run.batch=2"] if asked.quick else []
        with TemporaryDirectory() as folder:
            given = {"name": name, "overrides": overrides, "folder": folder, "device": asked.device}
            side = Side(f"i2i, {precision}", "i2i.bench.recipes:training", {**given, "precision": precision})
            timings = in_turns([side], 4 * asked.rounds, asked.seconds / len(names))
        assert steps is not None
        row = row_of(f"{name}: a training step, batch {timings[0].pictures}", timings, asked.limits)
        minutes = {f"minutes for all {steps:,}": row.entries[0].seconds * steps / 60}
        rows.append(replace(row, entries=[replace(row.entries[0], figures=minutes)]))
    return Found(rows)
