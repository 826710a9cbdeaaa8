"""`i2i import`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i2i.cli.saying import report
from i2i.cli.weights import WEIGHTS, at_hand

if TYPE_CHECKING:
    from i2i.hub.addresses import Remote

PATH = click.Path(path_type=Path)


@click.command("import", short_help="Bring in a network that somebody else published.")
@click.argument("file", type=WEIGHTS)
@click.option("--plugin", help="Recipe whose model reads the file; without it every installed model is asked.")
@click.option("--out", type=PATH, metavar="FILE", required=True, help="Weights file (.safetensors) to write; none may "
              "lie there yet.")  # fmt: skip
@click.option("--note", default="", metavar="TEXT", help="Kept in the weights file: on what data, under which licence.")
def importing(file: Path | Remote, plugin: str | None, out: Path, note: str) -> None:
    """Bring in a network that somebody else published, as a weights file.

    FILE holds named tensors, as torch or safetensors save them; no code in it is run.

    \b
    i2i import candy.pth --plugin fast-style --out candy.safetensors
    i2i translate --weights candy.safetensors --src photos/ --dst candy/
    """
    from i2i.inference.importing import import_weights
    from i2i.plugins import discover

    weights = import_weights(discover(), at_hand(file, pickles=True), out, plugin, note)
    model = weights.recipe["model"]
    options = ", ".join(
        f"{name} {value}" for name, value in model.items() if name != "use" and not isinstance(value, dict)
    )
    report(f"{out}: {model['use']}" + (f" ({options})" if options else "") + f"; {weights.note}")
    report(f"next: i2i translate --weights {shlex.quote(str(out))} --src PICTURES --dst OUT")
