"""Where weights lie on the web, read from what a user types."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from i2i.contracts.weights import PICKLES
from i2i.errors import UsageError

SUFFIXES = (".safetensors", ".onnx", *sorted(PICKLES))
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DIGEST = re.compile(r"[0-9a-f]{64}")
SECRETS = re.compile(r"auth|credential|key|pass|secret|sig|token", re.IGNORECASE)
"""In names of a query's parts, of those that nobody but their owner is to know."""
IN_REPOSITORY = "hf://OWNER/REPOSITORY/FILE@REVISION"
MAIN = "main"

_SUFFIX = "|".join(re.escape(suffix) for suffix in SUFFIXES)
_FILE = re.compile(rf"(?P<path>.+?(?:{_SUFFIX}))(?:@(?P<revision>.*))?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,94}[\w-])?", re.ASCII)
_REVISION = re.compile(r"[\w.+-]+(?:/[\w.+-]+)*", re.ASCII)


@dataclass(frozen=True)
class InRepository:
    """A file of a repository of the Hugging Face hub."""

    repository: str
    """`owner/name`."""
    path: str
    """Of the file, in the repository."""
    revision: str
    """A branch, a tag or a commit."""


@dataclass(frozen=True)
class Remote:
    """A weights file on the web."""

    address: str
    """Without the hash; of a repository with its revision. What pins are known by."""
    name: str
    """Of the file."""
    sha256: str | None = None
    """Of what it has to hold, in hexadecimal, where the user says."""
    inside: InRepository | None = None
    """Where it lies, if in a repository; else behind the URL that the address is."""
    progress: bool = field(default=True, compare=False)
    """Whether a terminal is to show how far fetching is."""

    @property
    def place(self) -> Path:
        """Where the file lies once it is here; who has no network may put it there.

        What is wanted with a hash has a place of its own: it takes that of no other contents of the same address.
        """
        return cache() / hashlib.sha256(str(self).encode()).hexdigest()[:16] / self.name

    def refuse_pickle(self) -> None:
        """Raise `UsageError` where what it names can run code when it is opened, before it is fetched for nothing."""
        if PurePosixPath(self.name).suffix.lower() in PICKLES:
            raise UsageError(
                f"{self}: a pickle file can run code when it is opened; one that lies on the web is fetched only for a "
                "--plugin whose model reads what others published; else fetch it yourself and bring it in with "
                "`i2i import FILE --out W.safetensors`"
            )

    def __str__(self) -> str:
        return self.address + (f"#sha256={self.sha256}" if self.sha256 else "")


def cache() -> Path:
    """The folder of what was fetched, be it there or not."""
    return own_folder("XDG_CACHE_HOME", ".cache") / "i2i" / "weights"


def own_folder(variable: str, otherwise: str) -> Path:
    """The folder that a variable of the environment names, else that of the user's home. Raises `UsageError`."""
    if given := os.environ.get(variable):
        return Path(given)
    try:
        return Path.home() / otherwise
    except RuntimeError as error:
        raise UsageError(f"no home folder is known here; set {variable} to a folder of yours") from error


def is_address(text: str) -> bool:
    """Whether it has the form of a URL rather than of a path."""
    return SCHEME.match(text) is not None


def parsed(text: str, progress: bool = True) -> Remote:
    """`hf://owner/repository/file@revision`, `https://host/file`, each with `#sha256=DIGEST` if wanted.

    A revision that is left out is `main`. Raises `UsageError` for all else, before anything is asked of the web.
    """
    address, _, fragment = text.partition("#")
    sha256 = _digest(text, fragment) if fragment else None
    scheme = address.partition("://")[0].lower()
    if scheme == "http":
        raise UsageError(f"{text}: comes over the net unprotected, for anybody to change; give https://…")
    if scheme == "hf":
        inside = _in_repository(text, address)
        address = f"hf://{inside.repository}/{inside.path}@{inside.revision}"
        return Remote(address, PurePosixPath(inside.path).name, sha256, inside, progress)
    if scheme == "https":
        return Remote(address, _name(text, address), sha256, None, progress)
    raise UsageError(f"{text}: weights are fetched from {IN_REPOSITORY} and https://HOST/FILE only")


def _digest(text: str, fragment: str) -> str:
    key, _, digest = fragment.partition("=")
    if key != "sha256" or not DIGEST.fullmatch(digest.lower()):
        raise UsageError(f"{text}: behind # stands sha256= and 64 hexadecimal digits, or nothing; found '{fragment}'")
    return digest.lower()


def _in_repository(text: str, address: str) -> InRepository:
    owner, _, rest = address.partition("://")[2].partition("/")
    name, _, file = rest.partition("/")
    found = _FILE.fullmatch(file)
    for part in (owner, name):
        _require_name(part, text, IN_REPOSITORY)
    if found is None:
        raise UsageError(f"{text}: names no file that ends in {_either()}; it reads {IN_REPOSITORY}")
    revision = MAIN if found["revision"] is None else found["revision"]
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise UsageError(f"{text}: '{revision}' is no revision: a branch, a tag or a commit")
    if any(part in ("", ".", "..") for part in found["path"].split("/")) or not _is_plain(found["path"]):
        raise UsageError(f"{text}: '{found['path']}' is no path in a repository; it reads {IN_REPOSITORY}")
    return InRepository(f"{owner}/{name}", found["path"], revision)


def repository(text: str) -> str:
    """`owner/name`, from that or `hf://owner/name`. Raises `UsageError` for all else."""
    owner, _, name = text.removeprefix("hf://").partition("/")
    for part in (owner, name):
        _require_name(part, text, "OWNER/REPOSITORY")
    return f"{owner}/{name}"


def _require_name(part: str, text: str, reads: str) -> None:
    if not _NAME.fullmatch(part) or ".." in part or "--" in part:
        raise UsageError(f"{text}: '{part}' is no name of an owner or a repository; it reads {reads}")


def _name(text: str, address: str) -> str:
    """Of the file behind a URL."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise UsageError(f"{text}: no such kind of URL ({error})") from error
    if not parts.hostname or not _is_plain(address) or " " in address:
        raise UsageError(f"{text}: no such kind of URL; it reads https://HOST/FILE")
    if found := [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if SECRETS.search(key)]:
        raise UsageError(f"an https address with {found[0]}=… in it would be kept in plain text; fetch the file by "
                         "other means, and name it")  # fmt: skip
    if "@" in parts.netloc:
        raise UsageError("an https address with a user's name or password in it would be kept in plain text; leave "
                         "them out: ~/.netrc holds them")  # fmt: skip
    name = PurePosixPath(unquote(parts.path)).name
    if not name.lower().endswith(SUFFIXES) or not _is_plain(name):
        raise UsageError(f"{text}: names no file that ends in {_either()}")
    return name


def _is_plain(text: str) -> bool:
    return text.isprintable() and "\\" not in text


def _either() -> str:
    return f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
