from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from i2i.pages.page import in_script, page
from i2i.pages.pictures import data_url

HOSTILE = "</script><script>document.title='owned'</script><!-- \u2028"


def test_what_a_page_holds_cannot_end_its_script(open_page, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(page(HOSTILE, "<main></main>", content={"text": HOSTILE}))
    shown = open_page(file)
    assert shown.title().startswith("</script>")
    assert shown.evaluate('JSON.parse(document.getElementById("content").textContent).text') == HOSTILE


def test_a_page_loads_nothing_from_elsewhere(open_page, looked, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(page("x", '<img src="http://example.invalid/x.png">'))
    shown = open_page(file)
    assert shown.evaluate("document.images[0].naturalWidth") == 0
    assert any("Content Security Policy" in error for error in looked.errors)
    looked.errors.clear()
    looked.requests.clear()  # refused, and yet told of


def test_a_name_that_is_no_text_gets_into_a_page_all_the_same() -> None:
    assert page("n\udcff.png", "n\udcff.png", content=["n\udcff.png"]).count(b"n?.png") == 3


def test_the_numbers_of_a_page_are_finite() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        in_script({"loss": float("nan")})


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("quality", [None, 80])
def test_a_picture_of_any_mode_gets_into_a_page(open_page, tmp_path: Path, mode: str, quality: int | None) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(page("x", f'<img src="{data_url(Image.new(mode, (40, 20)), 10, quality)}">'))
    assert open_page(file).evaluate("[document.images[0].naturalWidth, document.images[0].naturalHeight]") == [10, 5]
