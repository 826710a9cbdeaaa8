"""`i2i gallery` as a user runs it; its page in a browser is in pages/test_gallery_page.py."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageCms

from i2i.cli.gallery import gallery
from i2i.errors import I2IError
from i2i.evaluation.gallery import page as pages

Content = dict[str, list[dict[str, object]]]


def draw(path: Path, colour: str = "red", size: tuple[int, int] = (40, 20), mode: str = "RGB", **saved: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path, **saved)
    return path


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a folder with photos a, b, c and paintings a, b, d."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        draw(tmp_path / "photos" / f"{name}.jpg")
    for name in "abd":
        draw(tmp_path / "paintings" / f"{name}.png", "blue")
    return tmp_path


def run(*arguments: object) -> tuple[int, str, str]:
    """(exit code, standard output, standard error); of an error its message, as `main` prints it."""
    result: Result = CliRunner().invoke(gallery, [str(argument) for argument in arguments])
    if isinstance(result.exception, I2IError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout, result.stderr


def content(page: Path | str = "gallery.html") -> dict:
    found = pages._content(Path(page))
    assert found is not None
    return found


def rows(page: Path | str = "gallery.html") -> dict[str, list]:
    """Addresses by the names of rows."""
    return {
        row["name"]: [picture[0] if isinstance(picture, list) else picture for picture in row["pictures"]]
        for row in content(page)["rows"]
    }


def opened(address: str) -> Image.Image:
    """What a browser would open from the working folder."""
    return Image.open(os.fsdecode(unquote(address, errors="surrogateescape")))


def test_pictures_of_one_name_stand_in_a_row_and_gaps_are_told(work: Path) -> None:
    code, out, err = run("photos", "paintings")
    assert (code, out) == (0, "gallery.html: 4 rows of 2 folders\n")
    assert err == "photos: 1 picture of the others missing\npaintings: 1 picture of the others missing\n"
    assert rows() == {
        "a": ["photos/a.jpg", "paintings/a.png"],
        "b": ["photos/b.jpg", "paintings/b.png"],
        "c": ["photos/c.jpg", None],
        "d": [None, "paintings/d.png"],
    }
    assert content()["labels"] == ["photos", "paintings"]
    assert content()["rows"][0]["pictures"][0][1:] == [40, 20]


def test_suffixes_count_where_they_alone_tell_two_pictures_apart(work: Path) -> None:
    draw(work / "photos" / "a.png")
    run("photos", "paintings")
    assert rows()["a.png"] == ["photos/a.png", "paintings/a.png"]
    assert rows()["a.jpg"] == ["photos/a.jpg", None]


def test_names_that_differ_are_matched_and_patterns_choose(work: Path) -> None:
    for number in (1, 2):
        draw(work / "Set5" / f"x{number}_LR.png", size=(10, 5))
        draw(work / "Set5" / f"x{number}_HR.png")
        draw(work / "big" / f"x{number}_LR.png")
    code, out, err = run("Set5/*_LR.png", "big", "Set5/*_HR.png", "--match", "_LR=_HR", "--label", "small", "--label",
                         "ours", "--label", "truth")  # fmt: skip
    assert (code, out, err) == (0, "gallery.html: 2 rows of 3 folders\n", "")
    assert rows()["x1_HR"] == ["Set5/x1_LR.png", "big/x1_LR.png", "Set5/x1_HR.png"]
    assert content()["title"] == "small · ours · truth"
    code, _, err = run("big", "Set5", "--match", "_LR=_HR")
    assert (code, rows()["x2_HR"]) == (0, ["big/x2_LR.png", "Set5/x2_HR.png"])
    assert err == "2 pictures passed over: --match gives the name of another picture in the same folder\n"


def test_one_folder_and_single_files_will_do(work: Path) -> None:
    assert run("photos", "--title", "Mine")[:2] == (0, "gallery.html: 3 pictures\n")
    assert content()["title"] == "Mine"
    assert run("photos/a.jpg", "paintings/d.png")[0] == 0
    assert rows() == {"a": ["photos/a.jpg", "paintings/d.png"]}
    assert run("photos/a.jpg", "photos/b.jpg")[0] == 0
    assert rows() == {"a": ["photos/a.jpg", "photos/b.jpg"]}


def test_files_that_a_shell_made_of_a_pattern_are_one_folder(work: Path) -> None:
    for number in range(9):
        draw(work / "photos" / f"{number}.jpg")
    files = sorted((work / "photos").glob("*.jpg"))
    code, out, err = run(*files)
    assert (code, out) == (0, "gallery.html: 12 pictures\n")
    assert err == "12 pictures of photos taken as one folder; --label for each: side by side\n"
    assert content()["labels"] == ["photos"]
    assert list(rows()) == [*"012345678", *"abc"]
    code, out, err = run(*files[-3:], "--label", "x", "--label", "y", "--label", "z")
    assert (code, out, err) == (0, "gallery.html: 1 row of 3 folders\n", "")
    assert run(*files[-2:], "paintings/d.png")[1] == "gallery.html: 1 row of 3 folders\n"


def test_addresses_hold_any_name(work: Path) -> None:
    names = ["50 % #1?.png", "ü/a:b&c.png", "%41.png", '<b>"x".png', "a\\b.png"]
    for name in names:
        draw(work / "odd" / name)
    draw(work / "odd" / "raw.png").rename(work / "odd" / os.fsdecode(b"\xff.png"))
    (work / "pages").mkdir()
    assert run("odd", "--out", "pages/of odd.html")[:2] == (0, "pages/of odd.html: 6 pictures\n")
    addresses = [address for (address,) in rows("pages/of odd.html").values()]
    assert all(address.isascii() and address.startswith("../odd/") for address in addresses)
    os.chdir(work / "pages")
    assert all(opened(address).size == (40, 20) for address in addresses)


def test_what_no_browser_shows_is_converted_beside_the_page(work: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    draw(work / "mixed" / "sub" / "a.tif")
    draw(work / "mixed" / "b.ppm")
    draw(work / "mixed" / "cmyk.jpg", mode="CMYK")
    draw(work / "mixed" / "turned.png", exif=exif)
    draw(work / "mixed" / "seen.jpg", exif=exif)
    draw(work / "mixed" / "through.tiff", mode="RGBA")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    draw(work / "mixed" / "coloured.png", icc_profile=profile)
    Image.new("I;16", (40, 20), 65535).save(work / "mixed" / "deep.tif")
    code, out, _ = run("mixed")
    assert (code, out) == (0, "gallery.html: 8 pictures, 6 pictures converted into gallery_files\n")
    found = {name: address for name, (address,) in rows().items()}
    assert {name for name, address in found.items() if address.startswith("mixed/")} == {"seen", "coloured"}
    sizes = {row["name"]: row["pictures"][0][1:] for row in content()["rows"]}
    assert sizes["seen"] == sizes["turned"] == [20, 40]
    assert opened(found["turned"]).size == (20, 40)
    assert opened(found["cmyk"]).convert("RGB").getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=3)
    assert opened(found["deep"]).convert("RGB").getpixel((3, 3)) == (255, 255, 255)
    assert opened(found["through"]).mode == "RGBA"

    (work / "gallery_files" / "mine.png").write_bytes(b"")
    assert run("photos")[0] == 0
    assert [path.name for path in (work / "gallery_files").iterdir()] == ["mine.png"]


def test_a_page_finds_no_pictures_of_its_own(work: Path) -> None:
    draw(work / "photos" / "e.tif")
    for _ in range(2):
        code, out, _ = run("photos", "--out", "photos/all.html")
        assert (code, out) == (0, "photos/all.html: 4 pictures, 1 picture converted into photos/all_files\n")
    (work / "photos" / "all.html").unlink()  # as after a command that was stopped
    assert run("photos", "--out", "photos/all.html")[0] == 0


def test_broken_pictures_are_listed_and_the_rest_is_shown(work: Path) -> None:
    (work / "photos" / "b.jpg").write_bytes(b"nothing")
    code, out, err = run("photos", "paintings")
    assert (code, out) == (3, "gallery.html: 4 rows of 2 folders\n")
    assert "cannot be shown: photos/b.jpg: " in err
    assert len(content()["broken"]) == 1
    assert isinstance(rows()["b"][0], str)
    for name in "ac":
        (work / "photos" / f"{name}.jpg").write_bytes(b"nothing")
    code, _, err = run("photos", "--out", "none.html")
    assert code == 1
    assert err.startswith("none of the 3 pictures can be read, such as photos/a.jpg: ")
    assert not (work / "none.html").exists()


def test_half_a_picture_is_broken(work: Path) -> None:
    noise = Image.effect_noise((300, 200), 90)
    for name in ("photos/c.jpg", "paintings/d.png", "paintings/e.webp"):
        noise.save(work / name)
        (work / name).write_bytes((work / name).read_bytes()[:-9000])
    code, _, err = run("photos", "paintings")
    assert code == 3
    assert [line.split(": ")[1] for line in err.splitlines() if line.startswith("cannot be shown")] == [
        "photos/c.jpg", "paintings/d.png", "paintings/e.webp"
    ]  # fmt: skip


def test_pictures_are_embedded_as_they_are_or_smaller(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(work / "photos" / "t.tif")
    assert run("photos", "--embed")[0] == 0
    kinds = {name: address.partition(";")[0] for name, (address,) in rows().items()}
    assert kinds == {"a": "data:image/jpeg", "b": "data:image/jpeg", "c": "data:image/jpeg", "t": "data:image/webp"}
    assert not (work / "gallery_files").exists()
    assert run("photos", "--embed", "--side", "16")[0] == 0
    assert all(address.startswith("data:image/webp") for (address,) in rows().values())
    assert content()["rows"][0]["pictures"][0][1:] == [40, 20]
    monkeypatch.setattr(pages, "LARGEST", 1000)
    code, _, err = run("photos", "--embed", "--out", "other.html")
    assert code == 2
    advice = "more than a page should hold; make them smaller by --side N, or leave --embed out"
    assert err == f"--embed: 2 of 4 pictures fill 0 MB, {advice}"
    assert run("photos", "--side", "16")[2] == "--side is for --embed: pictures that are linked stay as they are"


def test_only_a_gallery_is_replaced(work: Path) -> None:
    (work / "mine.html").write_text("<p>mine</p>")
    code, _, err = run("photos", "--out", "mine.html")
    assert (code, err) == (2, "--out mine.html: exists and is no gallery; --force overwrites it")
    assert (work / "mine.html").read_text() == "<p>mine</p>"
    assert run("photos", "--out", "mine.html", "--force")[0] == 0
    assert run("photos", "--out", "mine.html")[0] == 0
    assert run("photos", "--out", "mine.png")[2].startswith("--out mine.png: a gallery is a page; give a name")
    (work / "folder.html").mkdir()
    assert "is a folder; give the name of a file" in run("photos", "--out", "folder.html")[2]
    draw(work / "new_files" / "mine.png")
    assert run("photos", "--out", "new.html")[2].startswith("new_files: exists and is no gallery's")


def test_what_cannot_be_shown_side_by_side_is_refused(work: Path) -> None:
    assert run("photos", "photos")[2] == "photos, photos: a folder is given twice"
    assert run("photos", "paintings", "--label", "one")[2].startswith("--label is given 1 times for 2 folders")
    assert run("photos", "paintings", "--label", "x", "--label", "x")[2] == "--label x: is given twice"
    assert run(*["photos"] * 10)[2].startswith("10 folders: a gallery shows up to 9")
    assert run("photos/*.gif")[2] == "photos/*.gif: fits no picture of photos (found 3, such as a.jpg)"
    assert run("nowhere")[2] == "nowhere: no such file or folder"
    draw(work / "else" / "z.png")
    code, _, err = run("photos", "else")
    assert code == 2
    assert err.startswith("no picture has the same name in two of the folders: photos has a.jpg, else has z.png")


TABLE = """file,psnr_y,lpips,not_evaluated
a.png,31.25,0.5,
b.png,inf,,
z.png,30,0.25,
paintings/d.png,,,no target
"""


def test_figures_come_from_the_tables_of_evaluate(work: Path) -> None:
    (work / "monet.csv").write_text(TABLE)
    code, _, err = run("photos", "paintings", "--csv", "monet.csv")
    assert code == 0
    assert "monet.csv: 1 picture not in the gallery, such as z.png\n" in err
    assert content()["columns"] == [
        {"title": "PSNR, Y", "moreIsBetter": True, "decimals": 2, "bicubic": None},
        {"title": "LPIPS", "moreIsBetter": False, "decimals": 4, "bicubic": None},
    ]
    assert {row["name"]: row["figures"] for row in content()["rows"]} == {
        "a": [31.25, 0.5], "b": ["Infinity", None], "c": [None, None], "d": [None, None]
    }  # fmt: skip
    (work / "other.csv").write_text("file,width,bicubic_psnr_y,psnr_y\na.jpg,20,30,40\n")
    run("photos", "paintings", "--csv", "monet.csv", "--csv", "other.csv")
    assert [(column["title"], column["bicubic"]) for column in content()["columns"]] == [
        ("monet PSNR, Y", None), ("monet LPIPS", None), ("other width", None), ("other bicubic PSNR, Y", None),
        ("other PSNR, Y", 3),
    ]  # fmt: skip
    assert content()["columns"][2] == {"title": "other width", "moreIsBetter": None, "decimals": None, "bicubic": None}


def test_a_table_that_is_none_is_refused(work: Path) -> None:
    for text, complaint in [
        ("name,psnr\na,3\n", "has no column 'file' in its first line (found name, psnr)"),
        ("file,why\na,b\n", "holds no figures beside 'file' (1 lines)"),
        ("file,psnr\nzz.png,3\n", "names no picture of the gallery (its first is 'zz.png', the gallery's 'a')"),
    ]:
        (work / "x.csv").write_text(text)
        code, _, err = run("photos", "--csv", "x.csv")
        assert (code, err.partition(";")[0]) == (2, f"x.csv: {complaint}")
    (work / "x.csv").write_bytes(b"\xff\xfe\x00")
    assert run("photos", "--csv", "x.csv")[2].startswith("--csv x.csv: is no table of comma-separated text")
    assert run("photos", "--csv", "none.csv")[2] == "--csv none.csv: no such file"
    assert not (work / "gallery.html").exists()


def test_what_evaluate_writes_is_understood(work: Path) -> None:
    pytest.importorskip("torch")
    from i2i.evaluation.paired import Evaluation, Row
    from i2i.evaluation.report import as_csv

    row = Row("a.jpg", {"psnr_y": 30.5, "ssim_y": 0.75}, {"psnr_y": 28.0, "ssim_y": 0.5})
    (work / "x.csv").write_text(as_csv(Evaluation([row])))
    assert run("photos", "--csv", "x.csv")[0] == 0
    titles = [column["title"] for column in content()["columns"]]
    assert dict(zip(titles, content()["rows"][0]["figures"], strict=True)) == {
        "PSNR, Y": 30.5, "SSIM, Y": 0.75, "bicubic PSNR, Y": 28.0, "bicubic SSIM, Y": 0.5
    }  # fmt: skip
    assert [column["bicubic"] for column in content()["columns"]] == [2, 3, None, None]


def test_the_page_is_strict_json_whatever_the_names(work: Path) -> None:
    draw(work / "odd" / "<script>alert(1)<%2F>.png")
    run("odd", "--label", "</script><b>")
    text = (work / "gallery.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert json.dumps(content()["labels"]) == '["</script><b>"]'


def test_no_picture_is_lost_where_names_differ_in_case_or_end_in_two_suffixes(work: Path) -> None:
    for name in ("a.png", "a.jpg", "a.png.jpg", "A.PNG", "b.png"):
        draw(work / "odd" / name)
    assert run("odd")[0] == 0
    assert rows() == {"a.png": ["odd/a.png"], "a.jpg": ["odd/a.jpg"], "a.png.jpg": ["odd/a.png.jpg"],
                      "A": ["odd/A.PNG"], "b": ["odd/b.png"]}  # fmt: skip
    draw(work / "odd" / "A.png")
    draw(work / "odd" / "a.PNG")
    assert run("odd")[0] == 0
    assert sorted(address for (address,) in rows().values()) == sorted(
        f"odd/{path.name}" for path in (work / "odd").iterdir()
    )


def test_a_name_as_long_as_file_systems_allow_is_converted(work: Path) -> None:
    draw(work / "long" / f"{'ü' * 125}.tif")
    code, said, complaint = run("long")
    assert (code, complaint) == (0, ""), said
    ((address,),) = rows().values()
    assert (work / unquote(address)).is_file()
