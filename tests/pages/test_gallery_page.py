"""What a gallery is like in a browser; how it is made is in ../test_gallery.py."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner
from PIL import Image

from i2i.cli.gallery import gallery

PSNR = {"p1": (20.0, 19.0), "p2": (30.0, 22.1), "p10": ("inf", 50.0)}
ODD = "p2 ü #?%20"
WHOLE = "Array.from(document.images).filter(it => it.complete && it.naturalWidth).length"


def until(shown, condition: str) -> None:
    """Wait for a condition; a page's policy forbids Playwright's own `wait_for_function` its eval."""
    deadline = monotonic() + 20
    while not shown.evaluate(condition):
        assert monotonic() < deadline, condition
        shown.wait_for_timeout(10)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of photos, paintings and drawings, one of which is missing, with figures."""
    folder = tmp_path_factory.mktemp("gallery")
    colours = {"photos": "#c02020", "paintings": "#2020c0", "drawings": "#20a020"}
    for name, colour in colours.items():
        (folder / name).mkdir()
        for picture in ("p1", ODD, "p10"):
            if (name, picture) != ("drawings", "p10"):
                kind = "tif" if name == "drawings" else "png"
                Image.new("RGB", (300, 200), colour).save(folder / name / f"{picture}.{kind}")
    lines = [f"{ODD if name == 'p2' else name}.png,{ours},{theirs},.25,3" for name, (ours, theirs) in PSNR.items()]
    head = "file,psnr_y,bicubic_psnr_y,lpips,width"
    (folder / "f.csv").write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    page = folder / "gallery.html"
    options = ["--csv", str(folder / "f.csv"), "--out", str(page)]
    done = CliRunner().invoke(gallery, [*(str(folder / name) for name in colours), *options])
    assert done.exit_code == 0, done.output
    return page


def names(shown) -> list[str]:
    return shown.locator(".gallery-card .name").all_text_contents()  # those out of view have no inner text


def labels(shown) -> list[str]:
    """Of the pictures in the large view."""
    return shown.locator("dialog .ba-label:visible").all_inner_texts()


def test_the_overview_shows_rows_and_gaps(open_page, made: Path, width: int, fits) -> None:
    shown = open_page(made, width)
    until(shown, f"{WHOLE} === 8")
    assert names(shown) == ["p1", ODD, "p10"]  # the worst first
    mean = "Mean: PSNR, Y 25.00 (bicubic 20.55) · LPIPS 0.2500 · width 3"
    assert shown.get_by_text(mean, exact=True).is_visible()
    assert shown.locator(".lost").is_hidden()
    assert shown.get_by_text("3 rows of 3 folders, 1 missing in drawings").is_visible()
    assert shown.get_by_text("missing", exact=True).count() == 1
    figures = shown.locator(".gallery-card .figures").first
    assert figures.locator("dt").all_text_contents() == ["PSNR, Y", "LPIPS"]
    assert figures.locator("dd").all_text_contents() == ["20.00 (bicubic 19.00)", "0.2500"]
    assert fits(shown)


def test_rows_are_sorted_by_a_figure_and_filtered_by_name(open_page, made: Path) -> None:
    shown = open_page(made)
    order = shown.get_by_role("button", name=re.compile("first|A to Z"))
    assert names(shown) == ["p1", ODD, "p10"]
    assert order.inner_text() == "Worst first"
    order.click()
    assert names(shown) == ["p10", ODD, "p1"]
    assert order.inner_text() == "Best first"
    shown.get_by_label("Filter").fill("P1")
    assert names(shown) == ["p10", "p1"]
    shown.get_by_label("Filter").fill("")
    shown.get_by_label("Sort by").select_option("width")
    assert order.inner_text() == "Lowest first"
    shown.get_by_label("Sort by").select_option("name")
    assert (order.inner_text(), names(shown)) == ("A to Z", ["p1", ODD, "p10"])  # as a person counts
    shown.get_by_label("Filter").fill("nothing")
    assert shown.get_by_text("No name holds that.").is_visible()


def test_the_large_view_steps_by_keys_and_shows_any_two_folders(open_page, made: Path, width: int, fits) -> None:
    shown = open_page(made, width)
    shown.get_by_role("button", name="Open p1", exact=True).focus()
    shown.keyboard.press("Enter")
    view = shown.get_by_role("dialog", name="Picture")
    assert view.get_by_role("heading").inner_text() == "p1"
    assert labels(shown) == ["photos", "paintings"]
    until(shown, "document.querySelector('.ba-after').naturalWidth === 300")
    shown.keyboard.press("ArrowRight")
    assert view.get_by_role("heading").inner_text() == ODD
    assert view.get_by_text("2 of 3").is_visible()
    shown.keyboard.press("3")
    assert labels(shown) == ["photos", "drawings"]
    shown.keyboard.press("Shift+2")
    assert labels(shown) == ["paintings", "drawings"]
    shown.keyboard.press("ArrowRight")
    assert labels(shown) == ["paintings"]
    assert view.get_by_text("missing in drawings").is_visible()
    assert view.get_by_role("button", name="Next picture").is_disabled()
    view.get_by_role("combobox", name="After").select_option("photos")
    assert labels(shown) == ["paintings", "photos"]
    assert fits(shown)
    shown.keyboard.press("Escape")
    assert view.is_hidden()
    until(shown, "document.activeElement.ariaLabel === 'Open p10'")


def test_the_divider_moves_and_pixels_grow(open_page, made: Path) -> None:
    shown = open_page(made)
    shown.locator("[data-folder='2']").first.click()
    assert labels(shown) == ["photos", "drawings"]
    view = shown.get_by_role("dialog", name="Picture")
    assert view.get_by_text("20.00 (bicubic 19.00)", exact=True).is_visible()
    assert view.locator(".figures dt").all_text_contents() == ["PSNR, Y", "LPIPS", "width"]
    divider = view.get_by_role("slider")
    divider.focus()
    divider.press("End")
    divider.press("ArrowLeft")  # moves the divider, not to another picture
    assert shown.evaluate("document.querySelector('before-after').at") == pytest.approx(0.99)
    assert view.get_by_role("heading").inner_text() == "p1"
    percent = view.locator(".ba-percent").inner_text()
    shown.keyboard.press("+")
    assert view.locator(".ba-percent").inner_text() != percent
    view.get_by_role("button", name="Close", exact=True).focus()
    shown.keyboard.press("0")
    assert view.locator(".ba-percent").inner_text() == percent
    shown.keyboard.press("-")
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("document.querySelector('before-after').isFit")


def test_the_keys_are_told(open_page, made: Path) -> None:
    shown = open_page(made, 390, dark=True)
    shown.get_by_role("button", name="Keys").click()
    keys = shown.get_by_role("dialog", name="Keys")
    assert keys.get_by_text("previous and next picture").is_visible()
    keys.get_by_role("button", name="Close the list of keys").click()
    assert keys.is_hidden()
    shown.keyboard.press("?")
    assert keys.is_visible()
    shown.keyboard.press("Escape")
    shown.get_by_label("Filter").type("?")
    assert keys.is_hidden()


def test_an_embedded_gallery_of_one_folder_needs_no_other_file(open_page, made: Path, tmp_path: Path, looked) -> None:
    page = tmp_path / "one.html"
    arguments = [str(made.parent / "drawings"), "--embed", "--out", str(page)]
    assert CliRunner().invoke(gallery, arguments).exit_code == 0
    shown = open_page(page)
    until(shown, f"{WHOLE} === 2")
    shown.get_by_role("button", name="Open p1", exact=True).click()
    assert labels(shown) == ["drawings"]
    assert shown.get_by_role("dialog").get_by_role("slider").count() == 0
    assert shown.get_by_label("Sort by").is_hidden()
    assert [address for address in looked.requests if not address.startswith("data:")] == [page.resolve().as_uri()]


def test_thousands_of_pictures_are_fetched_as_they_come_into_view(open_page, looked, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    first = tmp_path / "many" / "0.png"
    Image.new("RGB", (300, 200), "#c02020").save(first)
    for number in range(1, 2000):
        (tmp_path / "many" / f"{number}.png").hardlink_to(first)
    page = tmp_path / "many.html"
    assert CliRunner().invoke(gallery, [str(tmp_path / "many"), "--out", str(page)]).exit_code == 0
    shown = open_page(page)
    until(shown, f"{WHOLE} > 5")
    assert shown.locator(".gallery-card").count() == 2000
    assert len(looked.requests) < 1000
    shown.get_by_label("Filter").fill("1999")
    assert names(shown) == ["1999"]
    until(shown, f"{WHOLE} === 1")


def test_a_smaller_figure_may_be_the_better(open_page, made: Path, tmp_path: Path) -> None:
    table = f"file,count,lpips\np1.png,1,0.1\n{ODD}.png,2,0.3\np10.png,3,0.2\n"
    (tmp_path / "f.csv").write_text(table, encoding="utf-8")
    page = tmp_path / "lpips.html"
    arguments = [str(made.parent / "photos"), "--csv", str(tmp_path / "f.csv"), "--out", str(page)]
    assert CliRunner().invoke(gallery, arguments).exit_code == 0
    shown = open_page(page)
    assert names(shown) == [ODD, "p10", "p1"]
    assert shown.get_by_role("button", name="Worst first").is_visible()


def test_a_page_that_was_moved_away_from_its_pictures_says_where_it_looks(
    open_page, looked, made: Path, tmp_path: Path, width: int, fits
) -> None:
    moved = tmp_path / "elsewhere 50%" / "gallery.html"
    moved.parent.mkdir()
    shutil.copy(made, moved)
    shown = open_page(moved, width)
    banner = shown.locator(".lost")
    banner.wait_for()
    place = moved.parent.resolve()
    assert banner.inner_text().startswith(f"Pictures are not where this page looks for them, such as {place}/")
    assert "Page and pictures move together" in banner.inner_text()
    assert shown.locator(".gap").get_by_text("not found").count() >= 3
    assert fits(shown)
    assert all("ERR_FILE_NOT_FOUND" in error for error in looked.errors)
    looked.errors.clear()  # the browser's own words


def test_a_picture_that_goes_after_the_page_was_made_is_told(open_page, looked, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (30, 20)).save(tmp_path / "photos" / f"{name}.png")
    page = tmp_path / "gallery.html"
    assert CliRunner().invoke(gallery, [str(tmp_path / "photos"), "--out", str(page)]).exit_code == 0
    (tmp_path / "photos" / "a.png").unlink()
    shown = open_page(page)
    shown.locator(".gap").get_by_text("not found").wait_for()
    assert shown.locator(".lost").is_hidden()
    shown.get_by_role("button", name="Open a", exact=True).click()
    shown.get_by_text("photos cannot be shown").wait_for()
    assert all("ERR_FILE_NOT_FOUND" in error for error in looked.errors)
    looked.errors.clear()  # the browser's own words
