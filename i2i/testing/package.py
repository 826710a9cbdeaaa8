"""Checks of a package as a whole: what can be told of it without building anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from i2i.contracts import ModelSpec, Options, Spec
from i2i.errors import I2IError, RecipeError, UsageError
from i2i.hookspecs import GROUP
from i2i.plugins import CORE, resolve
from i2i.recipe import recipe_from_data, validate_options
from i2i.testing.asking import wants_more
from i2i.testing.bench import Bench
from i2i.testing.checks import Check, Skipped, listed, one_line, require

NOBODYS = "an_option_that_nobody_has"
HEAVY = ("torch", "torchvision", "kornia")
ALONE = f"""
import json, sys
wanted = json.load(sys.stdin)
sys.path[:] = wanted["path"]
from i2i.testing.target import find
target = find(wanted["target"])
target.enter()
target.catalog(alone=True)
with open(wanted["answer"], "w") as file:  # what it prints is its own affair
    json.dump([name for name in {HEAVY!r} if name in sys.modules], file)
"""


def enters_the_catalog(bench: Bench) -> None:
    """Fail with the reason for which the plugin is left out."""
    target = bench.target
    if target.distribution == CORE:
        raise Skipped("the core's own are always there")
    require(target.points, f"{target.distribution} has no entry point in the group '{GROUP}'")
    for plugin in bench.catalog.broken:
        require(plugin.distribution != target.distribution, plugin.reason)


def imports_no_torch(bench: Bench) -> None:
    """Ask the hooks in a process of their own."""
    target = str(bench.target.folder or bench.target.distribution)
    answer = bench.folder / "imported.json"
    said = json.dumps({"path": sys.path, "target": target, "answer": str(answer)})
    done = subprocess.run([sys.executable, "-c", ALONE], input=said, capture_output=True, text=True, timeout=300)
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    require(answer.is_file(), f"in a process of its own it cannot be imported: {last}")
    heavy = json.loads(answer.read_text(encoding="utf-8"))
    require(not heavy, f"importing it imports {', '.join(heavy)}: import that where something is built")


def unknown_options_are_refused(bench: Bench) -> None:
    """Each class of options, asked for an option that it has not."""
    for where, options in _options(bench):
        require(
            isinstance(options, type) and issubclass(options, Options),
            f"{where}: its options are {options!r}, no subclass of i2i.Options",
        )
        try:
            validate_options(options, {NOBODYS: 1}, "")
        except RecipeError as error:
            require(NOBODYS in str(error), f"{where}: refuses an unknown option without naming it: {error}")
        else:
            raise AssertionError(f"{where}: takes an unknown option without a word (extra='forbid' was changed)")


def options_are_described(bench: Bench) -> None:
    """`i2i show` prints them."""
    bare = [
        f"{where}.{name}"
        for where, options in _options(bench)
        for name, field in options.model_fields.items()
        if not (field.description or "").strip()
    ]
    require(not bare, f"without a description: {listed(bare)}")


def recipes_are_valid(bench: Bench) -> None:
    """Every recipe with every mistake; as a run folder writes it down, it is the same; shipped weights are there."""
    for entry in bench.entries("recipe"):
        try:
            recipe = bench.plain(entry.name)
        except UsageError as error:
            raise AssertionError(f"recipe '{entry.name}': {'; '.join(str(error).splitlines())}") from error
        written = recipe.as_dict()
        again = recipe_from_data(bench.catalog, written, "as a run folder has it").as_dict()
        require(again == written, f"recipe '{entry.name}': read back from a run folder, it is another")
        shipped = recipe.weights
        require(shipped is None or shipped.is_file(), f"recipe '{entry.name}': ships no such weights: {shipped}")


def builds_lie_in_its_packages(bench: Bench) -> None:
    """Every `module:attribute` of a spec is there, in a package that the distribution brings."""
    for where, path in _builds(bench):
        package = path.partition(":")[0].partition(".")[0]
        own = ", ".join(sorted(bench.target.packages))
        require(package in bench.target.packages, f"{where}: '{path}' is in package {package}; its own is {own}")
        try:
            found = resolve(path)
        except I2IError as error:
            raise AssertionError(f"{where}: {error}") from error
        require(callable(found), f"{where}: '{path}' is {found!r}, which nothing can be built with")


def recipes_are_buildable(bench: Bench) -> None:
    """Those that no trainer is examined in: model, losses and trainer with its optimizers."""
    import torch

    from i2i.training.building import build_model, build_trainer

    started = {bench.recipe_with("trainer", entry.name) for entry in bench.entries("trainer")}
    for name in sorted(bench.recipes.keys() - started):
        recipe = bench.recipe(name)
        try:
            with torch.random.fork_rng(devices=[]):
                build_trainer(recipe, build_model(recipe.model)).optimizers()
        except (Exception, SystemExit) as error:
            if not (isinstance(error, UsageError) and wants_more(recipe, error)):
                raise AssertionError(f"recipe '{name}': {one_line(error)}") from error


CHECKS = (
    Check("it has an entry point and enters the catalog", enters_the_catalog, gate=True),
    Check("importing it and asking its hooks imports no torch", imports_no_torch),
    Check("an unknown option is refused by its name", unknown_options_are_refused),
    Check("every option has a description", options_are_described),
    Check("its recipes are valid", recipes_are_valid),
    Check("what its specs build lies in its own packages", builds_lie_in_its_packages),
    Check("each of its recipes builds its model and its trainer", recipes_are_buildable),
)


def _specs(bench: Bench) -> Iterator[tuple[str, Spec]]:
    for kind in ("model", "loss", "trainer", "dataset", "tracker"):
        for entry in bench.entries(kind):
            yield f"{kind} '{entry.name}'", entry.value


def _options(bench: Bench) -> Iterator[tuple[str, type[Options]]]:
    for where, spec in _specs(bench):
        yield where, spec.options
        if isinstance(spec, ModelSpec):
            yield f"{where}: translate", spec.translate_options


def _builds(bench: Bench) -> Iterator[tuple[str, str]]:
    for where, spec in _specs(bench):
        yield where, spec.build
        if isinstance(spec, ModelSpec):
            paths = (spec.migrate, spec.read_foreign, *spec.write_foreign.values())
            yield from ((where, path) for path in paths if path is not None)
