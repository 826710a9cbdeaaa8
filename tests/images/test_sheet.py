from __future__ import annotations

import numpy
import pytest
from PIL import Image

from i2i.errors import I2IError
from i2i.images.sheet import contact_sheet, fit, plain_sheet


def plain(colour: str, size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.new("RGB", size, colour)


def dark(image: Image.Image, box: tuple[int, int, int, int]) -> int:
    """How many pixels of the box are not white."""
    return int((numpy.asarray(image.crop(box)).min(axis=-1) < 200).sum())


def test_columns_stand_side_by_side_under_their_labels() -> None:
    sheet = contact_sheet({"photo": [plain("red")] * 3, "painting": [plain("blue")] * 3}, margin=4)
    width, height = sheet.size
    header = height - 3 * 100 - 4
    assert width == 2 * 100 + 4
    assert header > 0
    assert sheet.getpixel((4, header + 4)) == (255, 0, 0)
    assert sheet.getpixel((104, header + 4)) == (0, 0, 255)
    assert sheet.getpixel((103, header + 50)) == (255, 255, 255)
    assert sheet.getpixel((103 + 96, height - 5)) == (0, 0, 255)
    assert dark(sheet, (4, 0, 100, header)) > 20
    assert dark(sheet, (104, 0, 200, header)) > 20


def test_small_pictures_are_multiplied_pixel_by_pixel() -> None:
    noise = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (32, 32, 3), "uint8"))
    sheet = plain_sheet([noise])
    assert sheet.size == (104, 104)
    assert sheet.crop((4, 4, 100, 100)) == noise.resize((96, 96), Image.Resampling.NEAREST)


def test_large_pictures_are_reduced_to_256() -> None:
    assert plain_sheet([plain("red", (1000, 500))]).size == (264, 264)
    assert plain_sheet([plain("red", (1000, 500))], cell=50).size == (58, 58)


def test_aspect_is_kept_and_the_picture_centred() -> None:
    sheet = plain_sheet([plain("red", (200, 100))], cell=100, margin=0)
    assert [sheet.getpixel((50, y)) == (255, 0, 0) for y in (24, 25, 74, 75)] == [False, True, True, False]
    assert fit(plain("red", (300, 1)), 100).size == (100, 1)


def test_a_shorter_column_ends_in_white() -> None:
    sheet = contact_sheet({"a": [plain("red")] * 2, "b": [plain("blue")]})
    assert sheet.getpixel((150, sheet.height - 50)) == (255, 255, 255)
    assert sheet.getpixel((50, sheet.height - 50)) == (255, 0, 0)


def test_a_long_label_does_not_run_into_the_next_column() -> None:
    sheet = contact_sheet({"a name that is far too long for its column": [plain("red")], "": [plain("blue")]})
    assert dark(sheet, (104, 0, 204, sheet.height - 104)) == 0


def test_a_plain_sheet_fills_row_by_row() -> None:
    sheet = plain_sheet([plain(colour) for colour in ("red", "lime", "blue")], width=2, cell=10, margin=0)
    assert sheet.size == (20, 20)
    assert [sheet.getpixel(place) for place in ((5, 5), (15, 5), (5, 15), (15, 15))] == [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
    ]


def test_a_plain_sheet_is_about_as_wide_as_three_to_two() -> None:
    assert plain_sheet([plain("red")] * 24, cell=10, margin=0).size == (60, 40)


def test_any_mode_may_be_shown() -> None:
    assert contact_sheet({"a": [Image.new("L", (4, 4), 9)]}).mode == "RGB"


@pytest.mark.parametrize("columns", [{}, {"a": []}])
def test_a_sheet_of_nothing_is_refused(columns: dict[str, list[Image.Image]]) -> None:
    with pytest.raises(I2IError) as caught:
        contact_sheet(columns)
    assert str(caught.value) == "contact sheet: no pictures to show"
    with pytest.raises(I2IError):
        plain_sheet([])
