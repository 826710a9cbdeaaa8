"""`i2i serve`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from i2i.cli.progress import stopping_on_signals
from i2i.cli.saying import answer, remark, warn
from i2i.cli.sections import Sectioned
from i2i.cli.weights import WEIGHTS, at_hand
from i2i.errors import UsageError, counted
from i2i.training.layout import RUNS

NEEDS = ("fastapi", "uvicorn", "python_multipart")
MIB = 2**20
MOST_TOLD = 10
PATH = click.Path(path_type=Path)


SECTIONS = {
    "What can be chosen": "--runs --weights --config",
    "Where it listens": "--host --port --allow-host",
    "Device and memory": "--device --precision --memory --models",
    "What is taken": "--max-pixels --max-bytes --max-body --max-pictures --max-jobs --max-samples",
    "What is kept": "--folder --keep-bytes --keep-minutes",
}
"""Heading of `--help` → options."""


@click.command(cls=Sectioned, sections=SECTIONS, short_help="A local page that translates what is dropped on it.")
@click.option("--runs", type=PATH, metavar="DIR", default=RUNS, show_default=True, help="Folder whose "
              "finished runs can be chosen.")  # fmt: skip
@click.option("--weights", type=WEIGHTS, multiple=True, help="Weights file (.safetensors) that can be chosen too, or "
              "its address, hf://… or https://…; may be repeated.")  # fmt: skip
@click.option("--config", "configs", type=PATH, multiple=True, help="Recipe (YAML) of a model that needs no weights, "
              "such as Gatys with a style of yours; may be repeated.")  # fmt: skip
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen. Any "
              "other than this machine's own lets others in, without a password.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any that is free.")
@click.option("--allow-host", "names", multiple=True, metavar="NAME", help="Name under which browsers may address the "
              "server beside localhost and --host; may be repeated.")  # fmt: skip
@click.option("--folder", type=PATH, metavar="DIR", help="Where to keep pictures while they are needed, in a folder "
              "of its own that is removed at the end. Without it: where temporary files go.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="Where to compute; auto takes a GPU where PyTorch finds one.")  # fmt: skip
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True,
              help="Of the networks' arithmetic; bf16 is faster where the device has it.")  # fmt: skip
@click.option("--memory", metavar="SIZE", help="What may be taken in all, such as 3GB; larger pictures are translated "
              "in tiles. Without it: most of what is free.")  # fmt: skip
@click.option("--models", type=click.IntRange(1), default=2, show_default=True, help="In memory at once.")
@click.option("--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True,
              help="Pictures of more pixels are refused, and of a model that enlarges such as would give more than "
              "4 times as many.")  # fmt: skip
@click.option("--max-bytes", type=click.IntRange(1), default=128 * MIB, show_default=True, help="Of one file.")
@click.option("--max-body", type=click.IntRange(1024), default=512 * MIB, show_default=True,
              help="Bytes of one request.")  # fmt: skip
@click.option("--max-pictures", type=click.IntRange(1), default=100, show_default=True, help="Of one job.")
@click.option("--max-jobs", type=click.IntRange(1), default=32, show_default=True, help="On their way at once.")
@click.option("--max-samples", type=click.IntRange(1), default=400, show_default=True, help="Made by one job.")
@click.option("--keep-bytes", type=click.IntRange(MIB), default=4096 * MIB, show_default=True,
              help="Of all pictures that are kept; the oldest results go first.")  # fmt: skip
@click.option("--keep-minutes", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True,
              help="For which results are kept.")  # fmt: skip
@stopping_on_signals()
def serve(**given: Any) -> None:
    """Translate pictures in the browser, on this machine: open the page, drop pictures on it.

    It offers what `i2i translate` takes without being told where it lies: shipped weights of installed plugins, the
    finished runs under --runs, the files given by --weights; models that sample make new pictures and walks. The page
    stands on a small JSON API, described at /api/openapi.json. Stop it with Ctrl-C.

    \b
    i2i serve
    i2i serve --port 0 --weights monet.safetensors
    i2i serve --runs experiments/ --max-pixels 20000000
    """
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise UsageError(f"i2i serve needs the extra: pip install 'i2i[serve]' ({', '.join(missing)} is missing)")
    if given["runs"] != RUNS and not given["runs"].is_dir():
        raise UsageError(f"--runs {given['runs']}: no such folder")

    from i2i.images.limits import allow_metadata, allow_pixels
    from i2i.inference.computation import Tiles
    from i2i.plugins import discover
    from i2i.serving.application import Serving
    from i2i.serving.choices import Choices
    from i2i.serving.folder import own_folder
    from i2i.serving.queue import Queue
    from i2i.serving.server import address_of, listening
    from i2i.serving.server import serve as answer_requests
    from i2i.serving.shelf import Shelf
    from i2i.tiling.memory import parsed, settle

    bounds, memory = _bounds(given), None if given["memory"] is None else parsed(given["memory"])
    listener = listening(given["host"], given["port"])
    with listener, own_folder(given["folder"]) as folder:
        settle()
        allow_pixels(bounds.answers().pixels)
        allow_metadata(bounds.limits().metadata_bytes)
        catalog = discover()
        choices = Choices(catalog, given["runs"], [at_hand(path) for path in given["weights"]], given["configs"])
        found = choices.all()
        if not found:
            raise UsageError("nothing to serve: no weights are shipped and no run is finished; give --weights FILE")
        is_known = bool(given["weights"] or given["configs"]) or any(each.origin == "run" for each in found.values())
        told = list(_left_out(choices.left_out, given["runs"], is_known))
        shelf = Shelf(catalog, bounds, given["device"], given["precision"], Tiles(memory, folder=folder))
        serving = Serving(choices, Queue(folder, bounds), bounds)
        names = tuple(name for name in (given["host"], *given["names"]) if name not in ("0.0.0.0", "::"))

        def begun() -> None:
            if (opened := _opened_to(given["host"])) is not None:
                warn(opened)
            models = counted(len(found), "model")
            for line in told:
                remark(line)
            answer(f"{models} at {address_of(listener, given['host'])} (stop with Ctrl-C)")

        answer_requests(serving, shelf, listener, names, begun)


def _left_out(left_out: Mapping[str, str], runs: Path, is_known: bool) -> Iterator[str]:
    """Which runs are not offered and why, and how to name others where there is none."""
    for name, reason in list(left_out.items())[:MOST_TOLD]:
        yield f"not offered: run {name} ({reason})"
    if len(left_out) > MOST_TOLD:
        yield f"not offered: {len(left_out) - MOST_TOLD} more runs; i2i runs lists them"
    if not left_out and not is_known:
        yield f"no runs in {runs}/; --runs DIR offers those of another folder, --weights FILE a weights file"


def _bounds(given: dict[str, Any]) -> Any:
    from i2i.serving.bounds import Bounds

    return Bounds(
        body_bytes=given["max_body"],
        picture_bytes=given["max_bytes"],
        pixels=given["max_pixels"],
        pictures=given["max_pictures"],
        jobs=given["max_jobs"],
        samples=given["max_samples"],
        kept_bytes=given["keep_bytes"],
        kept_seconds=60 * given["keep_minutes"],
        models=given["models"],
    )


def _opened_to(host: str) -> str | None:
    """A warning, where others than this machine's users get in."""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    return f"--host {host}: whoever reaches this address can use the server; there is no password and no encryption"
