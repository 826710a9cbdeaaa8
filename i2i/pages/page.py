"""One HTML file with all it needs in it: its styles, scripts, figures and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:; worker-src blob:; "
    "img-src data: blob: file: 'self'; media-src data: blob: file: 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'"
)
"""What a page may load: nothing from any address but its own (Content Security Policy, level 3)."""

SHARED = "base.css"


def page(
    title: str,
    body: str,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    content: Any = None,
    libraries: Sequence[str] = (),
) -> bytes:
    """A whole HTML document, in UTF-8.

    `title` is plain text, `body` the HTML of its `<body>`. `styles` and `scripts` are names of files in `pages/assets`,
    put into the page after the shared ones and in their order, scripts as modules at the end; `libraries` are the texts
    of other scripts, run before them. Scripts find `content`, anything that JSON holds, by
    `JSON.parse(document.getElementById("content").textContent)`.
    """
    css = "\n".join(asset(name) for name in (SHARED, *styles))
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{css}\n</style>",
        "</head>",
        "<body>",
        body,
        f'<script type="application/json" id="content">{in_script(content)}</script>',
        *(f"<script>{text}</script>" for text in libraries),
        *(f'<script type="module">\n{asset(name)}\n</script>' for name in scripts),
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(parts).encode("utf-8", "replace")  # a file's name may hold what is no text


def asset(name: str) -> str:
    """The text of a file in `pages/assets`."""
    return (files(__package__) / "assets" / name).read_text(encoding="utf-8")


def in_script(content: Any) -> str:
    """JSON that no text in it can end the script around it with."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
