"""The page: a document and its assets."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from i2i import pages

SCRIPT, STYLE = "text/javascript", "text/css"
ASSETS = {
    "base.css": STYLE,
    "before_after.css": STYLE,
    "serve.css": STYLE,
    "before_after.js": SCRIPT,
    "serve.js": SCRIPT,
    "serve_cell.js": SCRIPT,
    "serve_form.js": SCRIPT,
    "serve_jobs.js": SCRIPT,
    "serve_sending.js": SCRIPT,
}
"""What is served below `/assets`, and as what; nothing else is."""


@cache
def content_of(name: str) -> bytes:
    """One of the assets."""
    return (files(pages) / "assets" / name).read_bytes()


def document() -> bytes:
    """The HTML."""
    return content_of("serve.html")
