"""`i2i push`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click

from i2i.cli.saying import answer, answer_json, is_quiet, remark, report
from i2i.errors import UsageError

PATH = click.Path(path_type=Path)
SUFFIX = ".safetensors"
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@click.command(short_help="Publish weights on the Hugging Face hub, with a model card.")
@click.argument("weights", type=PATH)
@click.argument("repository")
@click.option("--revision", metavar="BRANCH", default="main", show_default=True, help="Branch to push to; it is made "
              "where there is none.")  # fmt: skip
@click.option("--private", is_flag=True, help="Where the repository has to be made: for its owner only.")
@click.option("--licence", metavar="ID", default="", help="Licence of the weights, as the hub names it, such as "
              "cc-by-4.0; without it the card says that none is stated.")  # fmt: skip
@click.option("--message", metavar="TEXT", help="Of the commit; without it the file's name.")
@click.option("--force", is_flag=True, help="Replace a card that i2i did not write; push a file that names folders of "
              "this machine.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the card and say what would be uploaded; ask no network.")
@click.option("--json", "as_json", is_flag=True, help="Say what was, or would be, done as JSON, for programs.")
def push(weights: Path, repository: str, **given: Any) -> None:
    """Publish a weights file on the Hugging Face hub, in REPOSITORY (OWNER/NAME), which is made where there is none.

    The file keeps its name. A model card (README.md) is written from its header: what it is, how it was trained, under
    which licence, how to use it; what the header does not say is called not stated. Whoever has i2i then translates
    with --weights hf://OWNER/NAME/FILE. It takes the extra i2i[hub], and a token: `hf auth login`, or HF_TOKEN.

    \b
    i2i runs export monet --note "My own photos; CC BY 4.0" --out monet.safetensors
    i2i push monet.safetensors me/monet --licence cc-by-4.0 --dry-run
    i2i push monet.safetensors me/monet --licence cc-by-4.0
    """
    from i2i.hub.addresses import parsed
    from i2i.hub.addresses import repository as named

    repository = named(repository)
    if given["licence"] and not LICENCE.fullmatch(given["licence"]):
        raise UsageError(f"--licence {given['licence']}: the hub names licences such as cc-by-4.0, apache-2.0, other")
    if weights.suffix.lower() != SUFFIX:
        raise UsageError(f"{weights}: a weights file ends in {SUFFIX}; `i2i runs export` takes one out of a run")
    parsed(f"hf://{repository}/{weights.name}@{given['revision']}")  # what others will type

    from i2i.hub.card import about, card
    from i2i.inference.loading import load

    file = about(weights)
    if not given["force"]:
        _refuse_folders(weights, file.header)
    samples = not hasattr(load(weights, device="cpu").model, "translate")  # what cannot be used is not published
    text = card(file, repository, given["revision"], given["licence"], samples)
    told = {"repository": repository, "revision": given["revision"], "file": weights.name, "bytes": file.bytes,
            "sha256": file.sha256, "commit": None, "url": None, "card": text}  # fmt: skip
    if given["dry_run"]:
        answer_json(told) if given["as_json"] else answer(text)
        size = f"{weights.name}, {file.bytes / 1e6:.1f} MB, and this card (README.md)"
        remark(f"would be pushed to {repository}, branch {given['revision']}: {size}; nothing was uploaded")
        return

    from i2i.hub.publishing import Publication, publish

    message = given["message"] or f"{weights.name}, by i2i push"
    how = {name: given[name] for name in ("private", "force")}
    publication = Publication(repository, given["revision"], weights, text, message, **how)
    done = publish(publication, progress=not is_quiet())
    if given["as_json"]:
        answer_json(told | {"commit": done.commit, "url": done.url})
        return
    report(f"{repository}: {weights.name} and its card, {done.url}")
    address = f"hf://{repository}/{weights.name}@{done.commit}"
    report(f"next: i2i translate --weights {shlex.quote(address)} {'--count 64' if samples else '--src PICTURES'} "
           "--dst OUT")  # fmt: skip


def _refuse_folders(weights: Path, header: Any) -> None:
    """Raise `UsageError` where the file tells others how folders here are called."""
    from i2i.hub.card import folders_named

    if found := folders_named(header):
        key, place = next(iter(found.items()))
        raise UsageError(f"{weights}: its header names a place on the machine that trained it ({key}: {place}); "
                         "`i2i runs export RUN --note TEXT --out FILE` leaves folders out, --force publishes it "
                         "so")  # fmt: skip
