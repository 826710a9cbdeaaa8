from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync", "allow-file-access-from-files")  # fmt: skip
WIDTHS = (390, 768, 1280)
"""Of a phone, a tablet and a desk, in CSS pixels."""


@dataclass
class Looked:
    """What a browser complained of and asked for while a test looked at a page."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """Requests for what is neither in a file, in the page, nor on this machine."""
        inside = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "http://localhost:")
        return [address for address in self.requests if not address.startswith(inside)]


@pytest.fixture(scope="session")
def browser():
    """Chromium, once a test process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in QUIET])
        yield chromium
        chromium.close()


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def looked() -> Looked:
    return Looked()


@pytest.fixture
def open_page(browser, looked: Looked, tmp_path: Path) -> Iterator:
    """Open a file or an address at a width; afterwards nothing may have complained or gone outside."""
    contexts = []

    def open_it(place: Path | str, width: int = 1280, height: int = 800, dark: bool = False):
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme,
                                      accept_downloads=True)  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: looked.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: looked.errors.append(str(error)))
        page.on("request", lambda request: looked.requests.append(request.url))
        page.goto(place.resolve().as_uri() if isinstance(place, Path) else place)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert looked.errors == []
    assert looked.outside == []


@pytest.fixture
def fits():
    """Tells whether nothing of a page sticks out beyond the right edge."""
    return lambda page: page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
