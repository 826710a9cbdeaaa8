"""How the site is built: `make docs`."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "i2i"
author = "the authors of i2i"
version = release = version("i2i")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "catalog", "docstrings"]
exclude_patterns = ["_build", "results"]
html_theme = "furo"
html_title = f"i2i {release}"
html_show_sphinx = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "

default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
nitpick_ignore_regex = [("py:.*", r"(?!i2i\.\w+$).*")]
"""Only public names have a place here."""


def to_pages_here(app: Sphinx, path: Path, page: str, text: list[str]) -> None:
    """A plugin's README links to cards within its package, such as that of its weights; these are pages here."""
    text[0] = re.sub(r"\]\(i2i_(\w+)/(\w+)/README\.md\)", r"](\1-\2.md)", text[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("include-read", to_pages_here)
