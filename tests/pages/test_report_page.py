"""The report of a real run, in a browser."""

import json
import shutil
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy
import pytest
from PIL import Image

from i2i import discover, load_recipe
from i2i.evaluation.validating import validation
from i2i.training.layout import EVENTS, METRICS, REPORT
from i2i.training.report import Reporter
from i2i.training.starting import start

ALIEN = Path(__file__).parents[1] / "plugins" / "alien"
SETTLED = "document.getElementById('charts').getAttribute('aria-busy') === 'false'"
DRAWN = "document.querySelectorAll('.plot .scatterlayer .trace').length"
WARNINGS = (
    {"step": 6, "time": "2026-11-22T06:50:00+00:00", "kind": "collapse", "text": "samples are <b>alike</b>"},
    {"step": 9, "time": "2026-11-22T06:51:00+00:00", "kind": "starving", "text": "waits for pictures"},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run of 12 steps with validations, its warnings beside."""
    place, rng = tmp_path_factory.mktemp("report"), numpy.random.default_rng(0)
    for name, number in (("photos", 12), ("paintings", 10)):
        (place / name).mkdir()
        for index in range(number):
            pixels = rng.integers(0, 256, (18, 24, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(place / name / f"{index}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ALIEN))
        catalog = discover([EntryPoint("alien", "i2i_alien", "i2i")])
        where = [f"dataset.source={place / 'photos'}", f"dataset.target={place / 'paintings'}"]
        asked = ["dataset.validation=0.3", "run.validate_every=4", "run.precision=fp32", "run.steps=12"]
        recipe = load_recipe(catalog, "alien", overrides=[*where, *asked])
        path = start(catalog, recipe, place / "monet", validation=validation).run().path
    for module in [module for module in sys.modules if module.startswith("i2i_alien")]:
        del sys.modules[module]
    with (path / EVENTS).open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(event) + "\n" for event in WARNINGS)
    Reporter(path).write()
    return path


@pytest.fixture(scope="module")
def opened(browser, run):
    """`opened(width)`: one page a width, as a page of megabytes takes its time; none may complain or go outside."""
    pages, complaints = {}, []

    def open_it(width):
        if width not in pages:
            context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="light")
            page = pages[width] = context.new_page()
            page.set_default_timeout(20_000)
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda asked: complaints.append(asked.url) if asked.url.startswith("http") else None)
            page.goto((run / REPORT).as_uri())
        return pages[width]

    yield open_it
    for page in pages.values():
        page.context.close()
    assert complaints == []


@pytest.fixture
def shown(opened):
    """`shown(width)`: the report as it is when it was opened."""

    def show(width=1280):
        page = opened(width)
        until(page, SETTLED)
        page.locator("#reset").click()
        until(page, SETTLED)
        page.locator("#when").fill("2")
        page.evaluate("scrollTo(0, 0)")
        return page

    return show


def until(page, condition):
    """Wait for it; `wait_for_function` would evaluate a text in the page, which its policy forbids."""
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.evaluate("new Promise(requestAnimationFrame)")


def paths(page, chart="Losses"):
    """What is drawn of a chart's curves, once they are."""
    until(page, SETTLED)
    figure = page.locator("figure.chart", has=page.get_by_role("heading", name=chart, exact=True))
    return figure.locator(".scatterlayer .js-line").evaluate_all("all => all.map((line) => line.getAttribute('d'))")


def test_a_report_is_whole_at_every_width(shown, fits, width):
    page = shown(width)
    titles = page.locator("figure.chart h3").all_inner_texts()
    assert titles[0].startswith("Validation: ")
    assert {"Losses", "Loss of the discriminator: critic", "Speed, pictures a second"} <= set(titles)
    assert page.locator(".plot .main-svg").count() >= len(titles)
    assert page.locator("h1").inner_text() == "monet"
    assert page.locator(".state").inner_text() == "finished"
    assert page.locator(".fact dt").first.inner_text().startswith("Best ")
    assert "use: alien" in page.locator("#recipe pre").inner_text()
    assert "pictures" in page.locator("#data").inner_text()
    assert "torch" in page.locator("#environment").inner_text()
    assert page.evaluate("[...document.images].every((image) => image.complete)")
    assert fits(page)
    page.locator("#charts").scroll_into_view_if_needed()
    box = page.locator(".plot .main-svg").first.bounding_box()
    assert 200 < box["width"] <= width


def test_warnings_are_listed_and_marked_on_the_charts(shown):
    page = shown()
    said = page.locator("#warnings").inner_text()
    assert "step 6 collapse samples are <b>alike</b>" in said
    assert "starving" in said
    assert page.locator("#warnings b").count() == 0
    charts = page.locator("figure.chart").count()
    assert page.locator(".plot .shapelayer path").count() == len(WARNINGS) * charts
    assert page.locator("#news > ul").inner_text().count("is the best so far") == 1


def test_the_slider_goes_through_the_samples(shown, width):
    page = shown(width)
    picture, slider, step = page.locator("#grid img"), page.locator("#when"), page.locator("#step")
    newest = picture.get_attribute("src")
    assert step.inner_text() == "step 12 (3 of 3)"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert step.inner_text() == "step 8 (2 of 3)"
    assert slider.get_attribute("aria-valuetext") == "step 8"
    assert picture.get_attribute("src") not in (newest, None)
    assert picture.get_attribute("alt") == "Samples at step 8"
    slider.fill("0")
    assert step.inner_text() == "step 4 (1 of 3)"
    assert page.locator("#earlier").is_disabled()
    page.locator("#later").click()
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")  # wherever the keyboard is
    assert step.inner_text() == "step 12 (3 of 3)"
    assert picture.get_attribute("src") == newest
    page.locator("#play").click()
    until(page, "document.getElementById('when').value === '1'")
    page.locator("#earlier").click()
    assert step.inner_text() == "step 4 (1 of 3)"
    assert page.locator("#play").inner_text() == "Play"


def test_a_click_enlarges_the_samples(shown, fits, width):
    page = shown(width)
    small = page.locator("#grid img").bounding_box()
    page.locator("#grid").click()
    large = page.locator("#large")
    assert large.is_visible()
    assert large.locator("output").inner_text() == "step 12 (3 of 3)"
    page.keyboard.press("ArrowLeft")
    assert large.locator("output").inner_text() == "step 8 (2 of 3)"
    large.get_by_role("button", name="Larger").click()
    assert large.locator("img").bounding_box()["width"] > small["width"] * (1.5 if width > 400 else 1)
    page.keyboard.press("Escape")
    assert not large.is_visible()
    assert page.locator("#step").inner_text() == "step 8 (2 of 3)"
    assert fits(page)


def test_smoothing_and_the_logarithmic_scale_change_the_curves_and_reset_takes_them_back(shown, width):
    page = shown(width)
    usual, count = paths(page), page.evaluate(DRAWN)
    page.locator("#smoothing").fill("0.95")
    smooth = paths(page)
    assert page.locator("#smoothed").inner_text() == "0.95"
    assert smooth != usual
    assert len(smooth) == len(usual)
    page.locator("#smoothing").fill("0")
    raw = paths(page)
    assert raw != smooth
    assert len(raw) == len(usual) / 2  # none is left behind another
    assert page.evaluate(DRAWN) < count
    page.locator("#logarithmic").check()
    assert paths(page) != raw
    assert page.evaluate("document.querySelectorAll('.plot')[1].layout.yaxis.type") == "log"
    page.locator("#reset").click()
    assert paths(page) == usual


def test_smoothing_is_that_of_tensorboard(shown):
    page = shown()
    page.locator("#smoothing").fill("0.5")
    until(page, SETTLED)
    raw, smooth = page.evaluate(
        "[...document.querySelectorAll('.plot')[1].data.slice(0, 2)].map((trace) => [...trace.y])"
    )
    last, expected = 0.0, []
    for place, value in enumerate(raw, 1):
        last = 0.5 * last + 0.5 * value
        expected.append(last / (1 - 0.5**place))
    assert smooth == pytest.approx(expected)


def test_what_is_zoomed_into_in_one_chart_is_in_all_of_them(shown):
    page = shown()
    plot = page.locator("figure.chart .nsewdrag").nth(1)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    page.mouse.up()
    ranges = "[...document.querySelectorAll('.plot')].map((plot) => plot.layout.xaxis.range.map(Math.round).join())"
    until(page, f"(({ranges}).every((range) => range === '3,6'))")
    page.locator("#reset").click()
    until(page, f"(({ranges}).every((range) => range === '0,12'))")


def test_charts_are_zoomed_and_moved_by_keys(shown):
    page = shown()
    span = "document.querySelectorAll('.plot')[0].layout.xaxis.range.map(Math.round).join()"
    page.locator(".plot").nth(1).focus()
    page.keyboard.press("+")
    until(page, f"{span} === '3,9'")
    page.keyboard.press("ArrowLeft")
    until(page, f"{span} === '1,8'")
    assert page.locator("#step").inner_text() == "step 12 (3 of 3)"
    for _ in range(3):
        page.keyboard.press("-")
    until(page, f"{span} === '0,12'")


def test_hovering_tells_the_values_of_a_step(shown):
    page = shown()
    plot = page.locator("figure.chart .nsewdrag").nth(1)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
    page.wait_for_selector(".hoverlayer .legendtext")
    assert page.locator(".hoverlayer .legendtext").first.text_content().split(" : ")[0] in {"critic", "painter"}


def test_the_best_and_the_worst_pictures_of_the_validation_are_shown(shown, run, width):
    told = json.loads((run / "validation" / "pictures.json").read_text())
    page = shown(width)
    assert page.locator("#answers before-after").count() == len(told["pictures"])
    assert page.locator("#answers h3").all_inner_texts() == ["Worst", "Best"]
    worst = next(picture for picture in told["pictures"] if picture["rank"] == "worst")
    assert f"distance {worst['value']:.4g}" == page.locator("#answers figcaption").first.inner_text()
    assert page.evaluate("[...document.querySelectorAll('before-after img')].some((image) => image.naturalWidth > 0)")


def test_a_dark_page_is_dark_and_follows_the_light(open_page, run):
    page = open_page(run / REPORT, dark=True)
    until(page, SETTLED)
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    grid = "document.querySelector('.plot').layout.xaxis.gridcolor"
    assert page.evaluate(brightness) < 60
    assert page.evaluate(grid) == "#3a3733"
    dark = page.locator(".plot .js-line").first.evaluate("line => line.style.stroke")
    page.emulate_media(color_scheme="light")
    until(page, f"{grid} === '#dedad3'")
    assert page.evaluate(brightness) > 200
    assert page.locator(".plot .js-line").first.evaluate("line => line.style.stroke") != dark


def test_fingers_scroll_the_page_over_a_chart_until_they_are_to_zoom(browser, run):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto((run / REPORT).as_uri())
    until(page, SETTLED)
    figure = page.locator("figure.chart").nth(1)
    figure.scroll_into_view_if_needed()
    fingers = context.new_cdp_session(page)

    def swipe(across, down):
        box = figure.locator(".nsewdrag").bounding_box()
        x, y = box["x"] + 60, box["y"] + 60
        for kind, part in (("Start", 0), *(("Move", step / 8) for step in range(1, 9))):
            point = {"x": x + across * part, "y": y + down * part}
            fingers.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": [point]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    page.evaluate("scrolled = scrollY")
    swipe(0, -120)
    until(page, "Math.abs(scrollY - scrolled) > 40")
    figure.locator(".modebar-btn[data-title=Zoom]").tap()
    swipe(100, 0)
    until(page, "document.querySelectorAll('.plot')[0].layout.xaxis.range[1] < 11")  # what another one zoomed into
    context.close()


def test_charts_follow_the_width_of_the_window(shown, fits):
    page, wide = shown(1280), "document.querySelector('.plot .main-svg').getBoundingClientRect().width"
    page.set_viewport_size({"width": 390, "height": 800})
    until(page, f"{wide} < 380")
    assert fits(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    until(page, f"{wide} > 400")


def test_the_recipe_can_be_copied(shown, run):
    page = shown()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    until(page, "document.getElementById('copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").strip() == (run / "recipe.yaml").read_text().strip()


def test_nothing_leads_to_a_service(shown):
    page = shown()
    titles = page.locator("figure.chart").first.locator(".modebar-btn").evaluate_all(
        "buttons => buttons.map((button) => button.dataset.title)"
    )  # fmt: skip
    assert titles == ["Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes", "Download plot as a PNG"]
    assert page.locator("a[href^=http]").count() == 0


def test_a_damaged_run_has_a_page_too(open_page, run, tmp_path):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    (damaged / "recipe.yaml").unlink()
    (damaged / "validation" / "pictures.json").write_text("{")
    grids = sorted((damaged / "samples").iterdir())
    grids[0].write_bytes(b"\x89PNG")
    for grid in grids[1:]:
        grid.unlink()
    with (damaged / METRICS).open("a") as stream:
        stream.write('{"step": 13, "pain')
    Reporter(damaged).write()
    page = open_page(damaged / REPORT, 390)
    until(page, SETTLED)
    assert "step-0000004.png: cannot be read" in page.locator("header").inner_text()
    assert page.locator("#samples, #answers, #recipe").count() == 0
    assert page.locator("figure.chart").count() > 3


def test_the_head_of_a_wide_page_is_one_line(shown):
    page = shown()
    page.evaluate("document.querySelector('.said').prepend('recipe-of-a-longer-name · and-what-else-there-is · ')")
    assert page.locator(".said").bounding_box()["height"] < 1.5 * 24
    page.evaluate("document.querySelector('.said').firstChild.remove()")


def test_pictures_beside_each_other_have_the_same_grain(open_page, run, tmp_path):
    paired = shutil.copytree(run, tmp_path / "paired")
    told = json.loads((paired / "validation" / "pictures.json").read_text())
    for picture in told["pictures"]:
        picture["wanted"] = picture["source"]
    (paired / "validation" / "pictures.json").write_text(json.dumps(told))
    Reporter(paired).write()
    page = open_page(paired / REPORT, 390)
    grain = "[...document.querySelectorAll('.answer img')].map((image) => getComputedStyle(image).imageRendering)"
    kinds = page.evaluate(grain)
    assert len(kinds) == 3 * len(told["pictures"])
    assert set(kinds) == {"pixelated"}
    frame, figure = (page.locator(name).first.bounding_box()["width"] for name in (".answer .ba-frame", ".answer"))
    assert frame > figure - 30  # all of it but its padding
    page.locator("#grid").click()
    assert page.locator("#large img").evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


def test_one_grid_alone_has_nothing_to_slide_through(open_page, run, tmp_path):
    short = shutil.copytree(run, tmp_path / "short")
    for grid in sorted((short / "samples").iterdir())[1:]:
        grid.unlink()
    Reporter(short).write()
    page = open_page(short / REPORT, 390)
    assert page.locator("#when").is_disabled()
    assert page.locator("#play").is_disabled()


def test_a_run_without_metrics_has_a_page_too(open_page, run, tmp_path):
    bare = shutil.copytree(run, tmp_path / "bare")
    (bare / METRICS).unlink()
    Reporter(bare).write()
    page = open_page(bare / REPORT, 390)
    assert page.locator("#curves").inner_text().endswith("No metrics were logged yet.")
    assert page.locator("#step").inner_text() == "step 12 (3 of 3)"
