"""Files of the Hugging Face hub, by its own library, which keeps them in its own cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from i2i.errors import I2IError, UsageError
from i2i.hub import web
from i2i.hub.addresses import InRepository
from i2i.hub.web import NotFetched

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token that may do this"


def cached(inside: InRepository) -> Path | None:
    """The file in the hub's own cache, if it is there; nothing is asked of the network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None

    found = try_to_load_from_cache(inside.repository, inside.path, revision=inside.revision)
    return Path(found) if isinstance(found, str) else None  # else it may be known that there is no such file


def download(inside: InRepository, progress: bool = True, anew: bool = False) -> tuple[Path, str]:
    """(the file in the hub's own cache, the commit that it is of).

    `anew`: what is in the cache is damaged. Raises `NotFetched` where the hub cannot be reached and the cache does not
    have it; `UsageError` and `I2IError` where the hub has no such file, or keeps it from this user.
    """
    require(f"hf://{inside.repository}")
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    where = (inside.repository, inside.path)
    try:
        with explained(f"hf://{inside.repository}", inside, progress):
            # fails at once where there is no network, what follows it after 20 seconds
            about = get_hf_file_metadata(hf_hub_url(*where, revision=inside.revision))
            if (about.size or 0) > web.LIMIT_BYTES:
                raise web.too_large()
            path: Path | None = Path(hf_hub_download(*where, revision=inside.revision, force_download=anew))
    except NotFetched:
        if anew or (path := cached(inside)) is None:
            raise
    assert path is not None
    return path, path.parents[len(PurePosixPath(inside.path).parts) - 1].name


@contextmanager
def explained(shown: str, inside: InRepository, progress: bool) -> Iterator[None]:
    """What the hub's library raises, in one line of ours; `NotFetched` where another time it may work.

    Else it says nothing, but on a terminal and with `progress` how far it is.
    """
    from huggingface_hub import constants, errors
    from huggingface_hub.utils.logging import set_verbosity_error
    from huggingface_hub.utils.tqdm import disable_progress_bars

    set_verbosity_error()
    if not progress or not os.isatty(2):
        disable_progress_bars()
    page = f"{constants.ENDPOINT}/{inside.repository}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise I2IError(f"{shown}: gated, its owner decides who may fetch it; ask at {page}, then {LOG_IN}") from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(f"{shown}: has no revision '{inside.revision}'; see {page}") from error
    except errors.LocalEntryNotFoundError as error:
        raise NotFetched(_line(error)) from error
    except errors.EntryNotFoundError as error:
        raise UsageError(f"{shown}: has no file {inside.path} at {inside.revision}; see {page}/tree/main") from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(f"{shown}: no such repository, or a private one: if you have access, {LOG_IN}") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise I2IError(f"{shown}: refused (HTTP Error {status}: {_said(error)}); {LOG_IN}") from error
        raise NotFetched(f"HTTP Error {status}: {_said(error)}") from error
    except I2IError:
        raise
    except Exception as error:  # of whatever library it talks HTTP with, or of the disk
        raise NotFetched(_line(error)) from error


def require(shown: str) -> None:
    """Raise `UsageError` where the library is not there."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{shown}: the Hugging Face hub needs more packages: pip install 'i2i[hub]'") from error


def _said(error: Exception) -> str:
    return " ".join(str(getattr(error, "server_message", None) or error.response.reason_phrase).split())  # type: ignore[attr-defined]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
