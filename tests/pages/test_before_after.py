from __future__ import annotations

from io import BytesIO
from pathlib import Path
from time import monotonic

import pytest
from PIL import Image

from i2i.pages.page import page
from i2i.pages.pictures import data_url

RED, BLUE = (200, 30, 30), (30, 30, 200)
MAGNIFIED = "getComputedStyle(document.querySelector('.ba-{}')).imageRendering"
DRAWN = "document.querySelector('.ba-before').getBoundingClientRect().width * devicePixelRatio"


def a_page(folder: Path, before: Image.Image, after: Image.Image | None, more: str = "") -> Path:
    other = f'after="{data_url(after)}" after-label="painting"' if after is not None else ""
    element = f'<before-after before="{data_url(before)}" before-label="photo" {other}></before-after>'
    file = folder / "two.html"
    body = f"<main><h1>Two</h1>{element}{more}</main>"
    file.write_bytes(page("two", body, ["before_after.css"], ["before_after.js"]))
    return file


def checks(side: int, colour: tuple[int, int, int]) -> Image.Image:
    """Every other pixel black."""
    picture = Image.new("RGB", (side, side), colour)
    picture.putdata([(0, 0, 0) if (place // side + place) % 2 else colour for place in range(side * side)])
    return picture


def until(shown, condition: str) -> None:
    """Wait for a condition; a page's policy forbids Playwright's own `wait_for_function` its eval."""
    deadline = monotonic() + 20
    while not shown.evaluate(condition):
        assert monotonic() < deadline, condition
        shown.wait_for_timeout(10)


@pytest.fixture
def shown(open_page, tmp_path: Path, width: int):
    """A red photo beside a blue painting."""
    opened = open_page(a_page(tmp_path, Image.new("RGB", (600, 400), RED), Image.new("RGB", (600, 400), BLUE)), width)
    until(opened, "document.querySelector('before-after').frame.clientHeight > 0 && "
                             "document.querySelector('.ba-after').naturalWidth")  # fmt: skip
    return opened


def colour_at(shown, part: float) -> str:
    """Of what is seen at a part of the frame's width, a third from its top."""
    box = shown.locator(".ba-frame").bounding_box()
    spot = {"x": box["x"] + part * box["width"], "y": box["y"] + box["height"] / 3, "width": 1, "height": 1}
    pixel = Image.open(BytesIO(shown.screenshot(clip=spot))).convert("RGB").getpixel((0, 0))
    return "red" if pixel[0] > pixel[2] else "blue"


def test_the_divider_is_moved_by_keyboard(shown, fits) -> None:
    assert (colour_at(shown, 0.3), colour_at(shown, 0.7)) == ("red", "blue")
    divider = shown.get_by_role("slider", name="Divider: photo left, painting right")
    divider.focus()
    for _ in range(4):
        divider.press("PageDown")
    assert shown.evaluate("document.querySelector('before-after').at") == pytest.approx(0.1)
    assert colour_at(shown, 0.3) == "blue"
    divider.press("End")
    assert colour_at(shown, 0.9) == "red"
    assert fits(shown)


def test_the_divider_is_dragged_by_mouse(shown) -> None:
    box = shown.locator(".ba-frame").bounding_box()
    row = box["y"] + box["height"] / 2
    shown.mouse.move(box["x"] + box["width"] / 2, row)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] * 0.85, row, steps=3)
    shown.mouse.up()
    assert shown.evaluate("document.querySelector('before-after').at") == pytest.approx(0.85, abs=0.01)
    assert colour_at(shown, 0.75) == "red"
    shown.mouse.move(box["x"] + 5, row)
    assert shown.evaluate("document.querySelector('before-after').at") == pytest.approx(0.85, abs=0.01)


def test_a_picture_is_looked_at_pixel_by_pixel_and_moved(open_page, tmp_path: Path, width: int, fits) -> None:
    shown = open_page(a_page(tmp_path, checks(900, RED), checks(900, BLUE)), width)
    until(shown, "document.querySelector('.ba-after').naturalWidth")
    shown.get_by_role("button", name="One pixel of the picture").click()
    assert shown.evaluate(DRAWN) == 900
    assert shown.locator(".ba-percent").inner_text() == "100 %"
    assert shown.evaluate(MAGNIFIED.format("after")) == "auto"
    for _ in range(2):
        shown.get_by_role("button", name="Zoom in").click()
    assert shown.evaluate(DRAWN) == 3600
    assert [shown.evaluate(MAGNIFIED.format(side)) for side in ("before", "after")] == ["pixelated"] * 2

    corner = "document.querySelector('.ba-before').getBoundingClientRect()"
    box, old = shown.locator(".ba-frame").bounding_box(), shown.evaluate(corner)
    shown.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 100)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] * 0.8 - 60, box["y"] + 60, steps=2)
    shown.mouse.up()
    new = shown.evaluate(corner)
    assert (new["x"] - old["x"], new["y"] - old["y"]) == pytest.approx((-60, -40), abs=1)
    assert shown.evaluate("document.querySelector('before-after').at") == 0.5

    shown.keyboard.press("0")  # the frame has the focus since it was pressed
    assert shown.evaluate("document.querySelector('before-after').isFit")
    assert shown.evaluate(f"{DRAWN} <= document.querySelector('.ba-frame').clientWidth")
    assert fits(shown)


def test_an_enlargement_lies_over_its_original(open_page, tmp_path: Path, width: int) -> None:
    shown = open_page(a_page(tmp_path, checks(50, RED), Image.new("RGB", (200, 200), BLUE)), width)
    until(shown, "document.querySelector('.ba-after').naturalWidth")
    shown.get_by_role("button", name="One pixel of the picture").click()
    places = [shown.locator(f".ba-{side}").bounding_box() for side in ("before", "after")]
    assert places[0] == places[1]
    assert places[0]["width"] == 200
    assert shown.evaluate(MAGNIFIED.format("before")) == "pixelated"
    assert shown.evaluate(MAGNIFIED.format("after")) == "auto"


def test_the_wheel_zooms_where_it_is_meant_and_scrolls_the_page_elsewhere(open_page, tmp_path: Path) -> None:
    tall = '<div style="height: 3000px"></div>'
    shown = open_page(a_page(tmp_path, checks(900, RED), checks(900, BLUE), tall), 1280)
    until(shown, "document.querySelector('.ba-after').naturalWidth")
    assert shown.evaluate("getComputedStyle(document.querySelector('.ba-frame')).touchAction") == "pan-y"
    box = shown.locator(".ba-frame").bounding_box()
    shown.mouse.move(box["x"] + 200, box["y"] + 100)
    shown.mouse.wheel(0, 300)
    until(shown, "scrollY > 0")
    assert shown.evaluate("document.querySelector('before-after').isFit")
    shown.evaluate("scrollTo(0, 0)")
    shown.keyboard.down("Control")
    shown.mouse.wheel(0, -100)
    shown.keyboard.up("Control")
    until(shown, "!document.querySelector('before-after').isFit")
    assert shown.evaluate("getComputedStyle(document.querySelector('.ba-frame')).touchAction") == "none"


def test_one_picture_has_no_divider_and_attributes_change_at_any_time(open_page, tmp_path: Path) -> None:
    shown = open_page(a_page(tmp_path, Image.new("RGB", (60, 40), RED), None), 390)
    assert shown.get_by_role("slider").count() == 0
    assert shown.get_by_text("photo").is_visible()
    assert colour_at(shown, 0.9) == "red"
    element = shown.locator("before-after")
    element.evaluate("(it, url) => it.setAttribute('after', url)", data_url(Image.new("RGB", (60, 40), BLUE)))
    element.evaluate("it => it.setAttribute('after-label', '<b>new</b>')")
    until(shown, "document.querySelector('.ba-after').naturalWidth")
    assert shown.get_by_role("slider").count() == 1
    assert shown.get_by_text("<b>new</b>").is_visible()
    assert (colour_at(shown, 0.2), colour_at(shown, 0.9)) == ("red", "blue")
    element.evaluate("it => it.removeAttribute('after')")
    assert shown.get_by_role("slider").count() == 0
    element.evaluate("it => it.setAttribute('before', 'data:image/png;base64,AAAA')")
    shown.get_by_text("photo cannot be shown").wait_for()


def test_a_finger_moves_the_divider_and_two_zoom(open_page, browser, tmp_path: Path) -> None:
    file = a_page(tmp_path, checks(300, RED), checks(300, BLUE))
    shown = open_page(file, 390)
    until(shown, "document.querySelector('.ba-after').naturalWidth")
    box = shown.locator(".ba-frame").bounding_box()
    fingers = shown.context.new_cdp_session(shown)

    def touch(kind: str, *spots: float) -> None:
        row = box["y"] + box["height"] / 2
        points = [{"x": box["x"] + box["width"] * part, "y": row, "id": n} for n, part in enumerate(spots)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.5)
    touch("touchMove", 0.4)
    touch("touchMove", 0.2)
    touch("touchEnd")
    until(shown, "Math.abs(document.querySelector('before-after').at - 0.2) < 0.02")
    touch("touchStart", 0.4, 0.6)
    touch("touchMove", 0.3, 0.7)
    touch("touchMove", 0.2, 0.8)
    touch("touchEnd")
    until(shown, "!document.querySelector('before-after').isFit")
