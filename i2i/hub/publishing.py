"""Weights and their card into a repository of the Hugging Face hub, in one commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from i2i.errors import I2IError, UsageError
from i2i.hub.addresses import MAIN, InRepository
from i2i.hub.card import MARK
from i2i.hub.huggingface import LOG_IN, explained, require
from i2i.hub.web import NotFetched

CARD = "README.md"


@dataclass(frozen=True)
class Publication:
    """What is to be uploaded, and where to."""

    repository: str
    revision: str
    """A branch; it is made where there is none."""
    file: Path
    card: str
    message: str
    private: bool = False
    """Where the repository has to be made: only for its owner."""
    force: bool = False
    """Replace a card that somebody wrote."""


@dataclass(frozen=True)
class Published:
    """What is there now."""

    commit: str
    url: str


def publish(publication: Publication, progress: bool = False) -> Published:
    """Upload both. `progress`: show it on a terminal.

    Raises `I2IError` where the hub refuses or cannot be reached, `UsageError` where nobody is logged in or something
    there would be lost.
    """
    repository = publication.repository
    require(repository)
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if get_token() is None:
        raise UsageError(f"{repository}: nobody may write there without a token; {LOG_IN}")
    hub, branch = HfApi(), publication.revision
    try:
        with explained(repository, InRepository(repository, CARD, branch), progress):
            hub.create_repo(repository, private=publication.private, exist_ok=True)
            if branch != MAIN:
                hub.create_branch(repository, branch=branch, exist_ok=True)
            found = hub.model_info(repository, revision=branch)
            if publication.private and not found.private:
                raise UsageError(f"{repository}: is there already, for everybody to see; --private makes new ones only")
            if not publication.force:
                _refuse_replacing(publication)
            files: dict[str, Path | bytes] = {publication.file.name: publication.file, CARD: publication.card.encode()}
            done = hub.create_commit(
                repository,
                [CommitOperationAdd(name, content) for name, content in files.items()],
                commit_message=publication.message,
                revision=branch,
                parent_commit=found.sha,
            )
    except NotFetched as error:
        raise I2IError(f"{repository}: cannot be pushed to ({error})") from error
    return Published(done.oid, done.commit_url)


def _refuse_replacing(publication: Publication) -> None:
    """Raise `UsageError` where there is a card that i2i did not write."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        there = hf_hub_download(publication.repository, CARD, revision=publication.revision)
    except EntryNotFoundError:
        return
    if MARK not in Path(there).read_text(encoding="utf-8", errors="replace"):
        raise UsageError(f"{publication.repository}: its {CARD} is somebody's own; --force replaces it with the card "
                         "that --dry-run shows")  # fmt: skip
