"""The page of `i2i serve`, in a browser, served by the command itself."""

from __future__ import annotations

import base64
import io
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="i2i[serve] is not installed")

TESTS = Path(__file__).parents[1]
PLUGINS = (
    TESTS / "serving" / "snail",
    TESTS / "plugins" / "dots",
    TESTS / "plugins" / "enlarger",
    TESTS / "plugins" / "mender",
)
DROP = """
({name, data}) => {
  const files = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  files.items.add(new File([bytes], name, {type: "image/png"}));
  const over = new DragEvent("dragenter", {dataTransfer: files, bubbles: true});
  document.body.dispatchEvent(over);
  const hovered = document.getElementById("drop").classList.contains("over");
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
  return hovered && !document.getElementById("drop").classList.contains("over");
}
"""


def png(colour=(200, 100, 0), size=(64, 48)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def file(name: str, contents: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": contents}


@pytest.fixture(scope="module")
def served(install_plugin, tmp_path_factory: pytest.TempPathFactory, python: str) -> Iterator[str]:
    """The address of the page."""
    folder = tmp_path_factory.mktemp("serve")
    for plugin in PLUGINS:
        install_plugin(plugin, folder / "site")
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder / "site"),
        "I2I_PLUGINS": "snail,dots,enlarger,mender",
        "OMP_NUM_THREADS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "site"))
        from i2i_dots.weights import save_weights

        save_weights(folder / "dots.safetensors", "dots")
    for module in [name for name in sys.modules if name.startswith("i2i_dots")]:
        del sys.modules[module]
    where = ["--weights", folder / "dots.safetensors", "--folder", folder / "kept"]
    command = [python, "-m", "i2i", "serve", "--port", "0", *where]
    server = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line + server.stderr.read()
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        said = server.communicate(timeout=30)[1]
    assert (server.returncode, said) == (130, "Error: stopped\n")
    assert list((folder / "kept").iterdir()) == []


@pytest.fixture
def desk(open_page, served: str, width: int):
    """The page, at every width."""
    shown = open_page(served, width, 900)
    shown.wait_for_selector("#model option", state="attached")
    return shown


@pytest.fixture
def wide(open_page, served: str):
    """The page, at one width."""
    shown = open_page(served, 1280, 900)
    shown.wait_for_selector("#model option", state="attached")
    return shown


def until(page, expression: str) -> None:
    """Wait for it to become true; the page's policy lets nobody put a function into it."""
    end = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def job(page, state: str = "done"):
    """The newest card, once it is that far."""
    page.wait_for_selector(f".job:first-child[data-state={state}]")
    return page.locator(".job").first


def test_a_dropped_picture_becomes_a_slider_and_a_download(desk, fits) -> None:
    desk.select_option("#model", "enlarger-x4")
    dropped = desk.evaluate(DROP, {"name": "a photo.png", "data": base64.b64encode(png()).decode()})
    assert dropped, "the drop zone shows that it takes what hovers"
    card = job(desk)
    assert "a photo.png" in card.locator("h3").inner_text()
    assert card.locator(".words").inner_text() == "1 of 1 translated"
    slider = card.locator("before-after")
    slider.scroll_into_view_if_needed()
    until(desk, "document.querySelector('before-after .ba-after')?.naturalWidth === 256")
    assert desk.evaluate("document.querySelector('before-after .ba-before').naturalWidth") == 64
    frame = slider.locator(".ba-frame").bounding_box()
    desk.mouse.move(frame["x"] + frame["width"] * 0.5, frame["y"] + frame["height"] * 0.3)
    desk.mouse.down()
    desk.mouse.move(frame["x"] + frame["width"] * 0.2, frame["y"] + frame["height"] * 0.3, steps=4)
    desk.mouse.up()
    assert abs(slider.evaluate("element => element.at") - 0.2) < 0.05
    with desk.expect_download() as downloading:
        card.get_by_role("link", name="Download", exact=True).click()
    assert downloading.value.suggested_filename == "a photo.png"
    assert Image.open(downloading.value.path()).size == (256, 192)
    assert fits(desk)


def test_several_pictures_come_as_one_archive_and_errors_as_words(wide) -> None:
    wide.select_option("#model", "snail")
    wide.set_input_files("#files", [file("a.png", png()), file("b.png", png((0, 0, 0))), file("bad.png", b"GIF89a no")])
    card = job(wide)
    assert card.locator(".words").inner_text() == "2 of 3 translated, 1 failed · it takes its time"
    bad = card.locator("figure[data-state=failed]")
    assert bad.locator(".name").inner_text() == "bad.png"
    assert len(bad.locator(".state").inner_text()) > 10
    with wide.expect_download() as downloading:
        card.get_by_role("link", name="Download all").click()
    assert zipfile.ZipFile(downloading.value.path()).namelist() == ["a.png", "b.png"]
    card.get_by_role("button", name="Remove").click()
    assert wide.locator(".job").count() == 0
    assert wide.locator("#empty").is_visible()


def test_progress_is_shown_and_cancel_ends_it(desk, fits) -> None:
    desk.select_option("#model", "snail")
    desk.fill("#option-seconds", "30")
    desk.set_input_files("#files", [file(f"{number}.png", png(size=(300, 300 + number))) for number in range(3)])
    desk.wait_for_selector(".job figure[data-state=working]")
    until(desk, "document.querySelector('.job [role=progressbar]').getAttribute('aria-valuenow') > 0")
    assert fits(desk)
    desk.locator(".job").first.get_by_role("button", name="Cancel").click()
    card = job(desk, "cancelled")
    assert card.locator(".words").inner_text().startswith("0 of 3 translated, cancelled")
    desk.fill("#option-seconds", "0")
    desk.set_input_files("#files", [file("next.png", png())])
    assert "next.png" in job(desk).inner_text()


def test_a_job_that_waits_says_so_and_can_be_cancelled(wide) -> None:
    wide.select_option("#model", "snail")
    wide.fill("#option-seconds", "30")
    for name in ("first.png", "second.png"):
        wide.set_input_files("#files", [file(name, png())])
    until(wide, "document.querySelector('.job .words').textContent === 'waits for 1 job before it'")
    for _ in range(2):
        wide.get_by_role("button", name="Cancel").first.click()
        job(wide, "cancelled")
    assert wide.locator("#said").inner_text().endswith("cancelled")


def test_new_pictures_are_made_and_walked_through(desk, fits) -> None:
    desk.select_option("#model", "weights:dots")
    assert desk.locator("#translate").is_hidden()
    desk.fill("#count", "3")
    desk.get_by_role("button", name="Make").click()
    card = job(desk)
    assert card.locator(".words").inner_text() == "3 of 3 made"
    until(desk, "[...document.querySelectorAll('img.made')].filter((image) => image.naturalWidth === 16).length === 3")
    before = card.locator("img.made").first.get_attribute("src")
    desk.get_by_label("Walk from each to the next").check()
    desk.fill("#frames", "4")
    desk.get_by_role("button", name="Another seed").click()
    player = desk.locator(".job:first-child .player")
    player.get_by_role("slider").wait_for()
    assert player.get_by_role("slider").get_attribute("max") == "11"
    first = player.locator("img").get_attribute("src")
    player.get_by_role("slider").focus()
    desk.keyboard.press("ArrowRight")
    assert player.locator("img").get_attribute("alt") == "Frame 2 of 12"
    assert player.locator("img").get_attribute("src") not in (first, before)
    with desk.expect_download() as downloading:
        player.get_by_role("link", name="Download the animation").click()
    assert downloading.value.suggested_filename == "walk.gif"
    assert fits(desk)


def test_a_mask_can_be_given_to_a_model_that_fills(wide) -> None:
    wide.select_option("#model", "snail")
    assert wide.locator("#mask").is_hidden()
    wide.select_option("#model", "mender")
    wide.set_input_files("#mask", [file("mask.png", png((255, 255, 255)))])
    wide.set_input_files("#files", [file("a.png", png((0, 0, 0)))])
    with wide.expect_download() as downloading:
        job(wide).get_by_role("link", name="Download", exact=True).click()
    assert Image.open(downloading.value.path()).getpixel((0, 0)) == (255, 128, 0)


def test_a_pasted_picture_is_taken_and_results_outlast_a_reload(wide) -> None:
    wide.select_option("#model", "snail")
    wide.evaluate(
        """async () => {
          const canvas = document.createElement("canvas");
          const blob = await new Promise((resolve) => canvas.toBlob(resolve));
          const files = new DataTransfer();
          files.items.add(new File([blob], "image.png", {type: "image/png"}));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: files}));
        }"""
    )
    assert "image.png" in job(wide).inner_text()
    wide.reload()
    assert "image.png" in job(wide).inner_text()
    assert wide.locator("#model").input_value() == "snail"
    wide.locator(".job before-after").wait_for()


def test_a_closed_tab_loses_no_job(wide, served: str) -> None:
    wide.select_option("#model", "snail")
    wide.set_input_files("#files", [file("kept.png", png())])
    job(wide)
    another = wide.context.new_page()
    wide.close()
    another.goto(served)
    assert "kept.png" in job(another).inner_text()
    another.get_by_role("button", name="Remove").click()
    another.reload()
    another.wait_for_selector("#model option", state="attached")
    assert another.locator(".job").count() == 0


def test_what_is_too_large_to_be_shown_says_so_without_a_slider(wide, looked) -> None:
    wide.select_option("#model", "snail")

    def unseen(route) -> None:
        told = route.fetch().json()
        for picture in told["pictures"]:
            picture.update({"preview": None} if picture["label"] == "large.png" else {"original": None})
        route.fulfill(json=told)

    wide.route("**/api/jobs/*", lambda route: unseen(route) if route.request.method == "GET" else route.continue_())
    wide.set_input_files("#files", [file("large.png", png()), file("scan.png", png())])
    large, scan = job(wide).locator("figure").all()
    assert "too large to show; download it" in large.inner_text()
    assert large.locator("before-after").count() == 0
    assert large.get_by_role("link").get_attribute("href").endswith("/pictures/0")
    scan.scroll_into_view_if_needed()
    assert scan.locator("before-after").get_attribute("before").endswith("/pictures/1/preview")
    assert scan.locator("before-after").get_attribute("after") is None


def test_models_are_offered_in_order_and_described_in_words(wide) -> None:
    def with_run(route) -> None:
        told = route.fetch().json()
        snail = next(model for model in told["models"] if model["id"] == "snail")
        shipped = {**snail, "id": "monet", "title": "monet", "origin": "shipped"}
        run = {**snail, "id": "run:x", "title": "x", "origin": "run", "step": 5, "written": 86400 * 365}
        route.fulfill(json={**told, "models": [run, shipped]})

    wide.route("**/api/models", with_run)
    wide.reload()
    wide.wait_for_selector("#model option", state="attached")
    assert wide.locator("optgroup").evaluate_all("groups => groups.map((group) => group.label)") == [
        "Shipped with plugins",
        "Your runs",
    ]
    assert wide.locator("#model").input_value() == "monet"
    assert wide.locator("#summary").inner_text() == "Repaints pictures in their own size. (negatives, slowly)"
    label = wide.locator("#model option").nth(1).inner_text()
    assert label.startswith("x · step 5, ")
    assert "1971" in label


def test_no_part_of_the_tools_scrolls_by_itself(open_page, served: str) -> None:
    page = open_page(served, 1280, 800)
    page.wait_for_selector("#model option", state="attached")
    page.select_option("#model", "snail")
    assert page.evaluate("getComputedStyle(document.querySelector('.tools')).overflowY") == "visible"
    assert page.locator("#sample").is_hidden()
    page.get_by_text("It starts at once").wait_for()


def test_a_picture_that_is_too_large_is_not_even_sent(wide) -> None:
    wide.select_option("#model", "snail")
    wide.route("**/api/models", lambda route: route.fulfill(json=_small(route.fetch().json())))
    wide.reload()
    wide.wait_for_selector("#model option", state="attached")
    wide.set_input_files("#files", [file("large.png", png(size=(900, 900))), file("small.png", png())])
    assert "small.png" in job(wide).inner_text()
    assert wide.locator("#trouble").inner_text().startswith("large.png: too large")


def _small(told: dict) -> dict:
    return {**told, "limits": {**told["limits"], "picture_bytes": 1000}}


def test_all_of_it_is_reached_by_keyboard_and_named(wide) -> None:
    wide.select_option("#model", "snail")
    names = [wide.evaluate("document.activeElement.id")]
    for _ in range(12):
        wide.keyboard.press("Tab")
        names.append(wide.evaluate("document.activeElement.id"))
    assert {"model", "option-seconds", "option-tint", "choose", "format", "seed"} <= set(names)
    unnamed = wide.evaluate(
        """() => [...document.querySelectorAll("input, select, button")].filter((part) =>
          !part.labels?.length && !part.getAttribute("aria-label") && !part.getAttribute("aria-labelledby") &&
          !part.textContent.trim()).map((part) => part.outerHTML)"""
    )
    assert unnamed == []


def test_names_are_shown_as_they_are(wide) -> None:
    wide.select_option("#model", "snail")
    name = "<img src=x onerror=document.title='owned'>.png"
    wide.set_input_files("#files", [file(name, png())])
    assert "img src=x" in job(wide).locator("h3").inner_text()
    assert wide.title() == "i2i"
