from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from i2i.cli.data import data
from i2i.errors import I2IError, UsageError


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def colours(folder: Path, **pictures: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in pictures.items():
        Image.new("RGB", (8, 8), colour).save(folder / f"{name}.png")
    return folder


# check


def test_check_tells_what_a_folder_holds(tmp_path: Path) -> None:
    photos = colours(tmp_path / "photos", a="red", b="blue")
    result = run("check", photos)
    assert result.exit_code == 0
    assert (
        result.output == f"{photos}: 2 pictures\n  sizes       all 8×8\n  modes       RGB (2)\n  formats     PNG (2)\n"
    )


def test_check_sums_up_sizes_and_lists_broken_and_equal_files(tmp_path: Path) -> None:
    photos = colours(tmp_path / "photos", a="red", b="blue")
    Image.new("L", (100, 50)).save(photos / "c.jpg")
    (photos / "deep").mkdir()
    Image.new("RGB", (8, 8), "red").save(photos / "deep" / "d.png")
    Image.new("RGB", (4, 2)).save(photos / "e.png")
    (photos / "text.jpg").write_text("hello")
    result = run("check", photos)
    assert result.exit_code == 3
    assert result.output.splitlines() == [
        f"{photos}: 6 pictures",
        "  sizes       4×2 to 100×50, median 8×8, most often 8×8 (3)",
        "  modes       RGB (4), L (1)",
        "  formats     PNG (4), JPEG (1)",
        "  broken      1",
        f"    {photos}/text.jpg: not a picture that Pillow can read (found text)",
        "  duplicates  1 group of files with the same bytes",
        "    a.png = deep/d.png",
    ]


def test_check_shows_twenty_broken_files_and_counts_the_rest(tmp_path: Path) -> None:
    for number in range(23):
        (tmp_path / f"{number:02d}.png").write_text(str(number) * (number + 1))
    lines = run("check", tmp_path).output.splitlines()
    assert lines[0] == f"{tmp_path}: 23 pictures"
    assert lines[1] == "  broken      23"
    assert lines[21].endswith("19.png: not a picture that Pillow can read (found text)")
    assert lines[22:] == ["    and 3 more; --json lists all"]


def test_check_takes_several_folders_and_single_files(tmp_path: Path) -> None:
    photos = colours(tmp_path / "photos", a="red")
    result = run("check", photos, photos / "a.png")
    assert [line for line in result.output.splitlines() if not line.startswith("  ")] == [
        f"{photos}: 1 picture",
        "",
        f"{photos}/a.png: 1 picture",
    ]


def test_check_gives_everything_as_json(tmp_path: Path) -> None:
    photos = colours(tmp_path / "photos", a="red", b="red")
    (photos / "c.png").write_bytes(b"")
    result = run("check", photos, "--json")
    assert result.exit_code == 3
    assert json.loads(result.output) == {
        "folders": [
            {
                "folder": str(photos),
                "pictures": 3,
                "sizes": {"8x8": 2},
                "modes": {"RGB": 2},
                "formats": {"PNG": 2},
                "broken": [{"file": f"{photos}/c.png", "reason": "empty file"}],
                "duplicates": [[f"{photos}/a.png", f"{photos}/b.png"]],
            }
        ]
    }


def test_check_refuses_a_missing_folder(tmp_path: Path) -> None:
    result = run("check", tmp_path / "gone")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"{tmp_path}/gone: no such file or folder"


# make digits


def test_make_digits_writes_and_says_where(tmp_path: Path) -> None:
    target = tmp_path / "digits"
    result = run("make", "digits", "--dst", target, "--count", "3", "--size", "20", "--seed", "4")
    assert result.exit_code == 0
    assert result.output == (
        f"3 pictures in {target}/white, 3 in {target}/yellow, what they show in {target}/labels.csv\n"
    )
    assert [path.name for path in sorted((target / "yellow").iterdir())] == ["00000.png", "00001.png", "00002.png"]
    with Image.open(target / "white" / "00000.png") as image:
        assert image.size == (20, 20)


@pytest.mark.parametrize(
    ("option", "value", "range_"), [("--count", "0", "x>=1"), ("--size", "8", "x>=16"), ("--seed", "-1", "x>=0")]
)
def test_make_digits_checks_its_numbers(tmp_path: Path, option: str, value: str, range_: str) -> None:
    result = run("make", "digits", "--dst", tmp_path, "--count", "1", option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': {value} is not in the range {range_}" in result.output


@pytest.mark.parametrize("name", ["sunset.jpg", "white/sunset.jpg", "album/a.png", "yellow/1.png"])
def test_make_digits_goes_where_nothing_else_lies(tmp_path: Path, name: str) -> None:
    command = ("make", "digits", "--dst", tmp_path, "--count", "2", "--size", "16")
    for _ in range(2):
        assert run(*command).exit_code == 0
    (tmp_path / ".hidden").touch()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    refused = run(*command)
    assert isinstance(refused.exception, UsageError)
    stranger = tmp_path / ("album" if "album" in name else name)
    assert str(refused.exception) == f"{stranger}: is no drawn digit; choose another --dst, or --force"
    assert run(*command, "--force").exit_code == 0


def test_make_digits_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("")
    result = run("make", "digits", "--dst", tmp_path / "digits", "--count", "1")
    assert isinstance(result.exception, UsageError)


# sheet


def test_sheet_shows_the_pictures_of_the_same_name_side_by_side(tmp_path: Path) -> None:
    photos = colours(tmp_path / "photos", a="red", b="lime", only="black")
    paintings = tmp_path / "paintings"
    paintings.mkdir()
    for name, colour in (("a", "yellow"), ("b", "blue"), ("other", "black")):
        Image.new("RGB", (8, 8), colour).save(paintings / f"{name}.bmp")
    out = tmp_path / "new" / "sheet.png"
    result = run("sheet", photos, paintings, "--out", out, "--cell", "16")
    assert result.exit_code == 0
    with Image.open(out) as sheet:
        assert result.output == f"{out}: 2 of 2 rows, {sheet.width}×{sheet.height}\n"
        places = [(x, sheet.height - y) for y in (32, 12) for x in (12, 32)]
        shown = [sheet.getpixel(place) for place in places]
    assert shown == [(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 0, 255)]


def test_sheet_picks_rows_evenly(tmp_path: Path) -> None:
    shades = {f"{number:02d}": f"#{number * 10:02x}0000" for number in range(20)}
    one, two = colours(tmp_path / "one", **shades), colours(tmp_path / "two", **shades)
    result = run("sheet", one, two, "--out", tmp_path / "sheet.png", "--rows", "4", "--cell", "8")
    assert "4 of 20 rows" in result.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        column = [sheet.getpixel((8, sheet.height - 8 - 12 * row)) for row in (3, 2, 1, 0)]
    assert column == [(0, 0, 0), (50, 0, 0), (100, 0, 0), (150, 0, 0)]


def test_sheet_of_one_folder_is_a_plain_grid(tmp_path: Path) -> None:
    photos = colours(tmp_path / "photos", **{f"p{number:02d}": "red" for number in range(30)})
    result = run("sheet", photos, "--out", tmp_path / "sheet.png", "--rows", "2", "--cell", "10")
    assert result.output == f"{tmp_path}/sheet.png: 16 pictures, {8 * 14 + 4}×{2 * 14 + 4}\n"


def test_sheet_reduces_large_photos(tmp_path: Path) -> None:
    Image.new("RGB", (900, 600), "red").save(tmp_path / "a.jpg")
    assert run("sheet", tmp_path, "--out", tmp_path / "sheet.png").output.endswith("1 picture, 264×264\n")


def test_folders_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    one, two = colours(tmp_path / "one" / "photos", a="red"), colours(tmp_path / "two" / "photos", a="red")
    assert run("sheet", one, two, "--out", tmp_path / "sheet.png").exit_code == 0


def test_sheet_refuses_folders_that_share_no_name(tmp_path: Path) -> None:
    one, two = colours(tmp_path / "one", a="red"), colours(tmp_path / "two", b="red")
    result = run("sheet", one, two, "--out", tmp_path / "sheet.png")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"{one}, {two}: no picture has the same name in all of them"


def test_sheet_refuses_a_folder_given_twice(tmp_path: Path) -> None:
    one = colours(tmp_path / "one", a="red")
    result = run("sheet", one, one, "--out", tmp_path / "sheet.png")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"{one}, {one}: a folder is given twice"


def test_sheet_refuses_an_unknown_suffix(tmp_path: Path) -> None:
    one = colours(tmp_path / "one", a="red")
    assert isinstance(run("sheet", one, "--out", tmp_path / "sheet.xyz").exception, UsageError)


def test_sheet_leaves_out_a_row_with_a_broken_picture_and_names_it(tmp_path: Path) -> None:
    one, two = colours(tmp_path / "one", a="red", b="red"), colours(tmp_path / "two", a="red", b="red")
    (two / "b.png").write_text("hello")
    for folders, shown in (([two], "1 picture"), ([one, two], "1 of 2 rows")):
        result = run("sheet", *folders, "--out", tmp_path / "sheet.png")
        assert result.exit_code == 3
        assert result.stderr == f"left out: {two}/b.png: not a picture that Pillow can read (found text)\n"
        assert shown in result.stdout


def test_sheet_of_broken_pictures_alone_is_an_error(tmp_path: Path) -> None:
    one = colours(tmp_path / "one", a="red")
    (one / "a.png").write_text("hello")
    for folders in ([one], [one, one.parent / "one" / ".." / "one"]):
        result = run("sheet", *folders, "--out", tmp_path / "sheet.png")
        assert isinstance(result.exception, I2IError)
    assert not (tmp_path / "sheet.png").exists()


# the rest


@pytest.mark.parametrize("command", [[], ["check"], ["make"], ["make", "digits"], ["sheet"]])
def test_every_help_has_an_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"  i2i data {' '.join(command)}".rstrip() in result.output


def test_the_commands_load_neither_torch_nor_pillow_before_they_run() -> None:
    code = "import sys, i2i.cli.data; print([name for name in ('torch', 'PIL', 'numpy') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
