"""What pairs of pictures are measured by: the figures agree with scikit-image, names pair as a user expects."""

from __future__ import annotations

import json
import os
from math import inf
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from i2i import BrokenPicture, UsageError
from i2i.evaluation.metrics import luma, psnr, ssim
from i2i.evaluation.paired import Evaluation, Row, Ruler, evaluate_pairs, scale_of
from i2i.evaluation.pairing import Pair, paired, rewrite_from
from i2i.evaluation.report import as_csv, in_words, paired_data, paired_protocol
from i2i.features.lpips import LPIPS, LPIPSOptions

SHARED = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SET5 = SHARED / "sr" / "Set5" / "image_SRF_4"
WEIGHTS = SHARED / "weights"


def noisy(height, width, seed=0, amount=12.0):
    """A smooth picture and a disturbed one, uint8 (H, W, 3)."""
    chance = numpy.random.default_rng(seed)
    rows, columns = numpy.mgrid[:height, :width]
    clean = 127 + 90 * numpy.sin(rows[..., None] / 5 + numpy.arange(3)) * numpy.cos(columns[..., None] / 7)
    return tuple(numpy.clip(clean + chance.normal(0, spread, clean.shape), 0, 255).round().astype(numpy.uint8)
                 for spread in (0, amount))  # fmt: skip


def tensor(pixels):
    return torch.from_numpy(pixels.astype(numpy.uint8)).permute(2, 0, 1)


@pytest.fixture
def folders(tmp_path):
    """`folders(pred={"a.png": (height, width)}, …)` draws pictures; returns their folders."""

    def draw(**wanted):
        for folder, files in wanted.items():
            for file, (height, width) in files.items():
                path = tmp_path / folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(noisy(height, width, seed=len(file))[folder == "pred"]).save(path)
        return [tmp_path / folder for folder in wanted]

    return draw


@pytest.mark.parametrize(("height", "width"), [(11, 11), (37, 52), (90, 13)])
def test_psnr_and_ssim_agree_with_scikit_image_on_rgb_and_luma(height, width):
    ours, theirs = noisy(height, width)
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    a, b = tensor(ours), tensor(theirs)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(ours, theirs, data_range=255), abs=1e-6)
    assert ssim(a, b) == pytest.approx(structural_similarity(ours, theirs, channel_axis=2, **how), abs=1e-6)
    bright = [rgb2ycbcr(pixels)[..., 0].round() for pixels in (ours, theirs)]
    assert luma(a)[0].numpy() == pytest.approx(bright[0])
    assert psnr(luma(a), luma(b)) == pytest.approx(peak_signal_noise_ratio(*bright, data_range=255), abs=1e-6)
    assert ssim(luma(a), luma(b)) == pytest.approx(structural_similarity(*bright, **how), abs=1e-6)


def test_luma_goes_from_16_to_235_and_equal_pictures_have_infinite_psnr():
    assert luma(torch.zeros(3, 1, 1, dtype=torch.uint8)).item() == 16
    assert luma(torch.full((3, 1, 1), 255, dtype=torch.uint8)).item() == 235
    picture = tensor(noisy(12, 12)[0])
    assert psnr(picture, picture) == inf
    assert ssim(picture, picture) == pytest.approx(1)


def test_the_border_has_no_say_and_too_little_inside_it_is_refused():
    clean, disturbed = noisy(30, 40)
    disturbed[4:-4, 4:-4] = clean[4:-4, 4:-4]
    one, other = Image.fromarray(clean), Image.fromarray(disturbed)
    assert Ruler(border=4).scores(one, other)["psnr_rgb"] == inf
    assert Ruler(border=3).scores(one, other)["psnr_rgb"] < 60
    left = r"^8×0 pixels without the border of 16; SSIM needs 11×11$"
    with pytest.raises(ValueError, match=left):
        Ruler(border=16).scores(one, other)


def test_names_pair_without_their_suffix_and_with_their_folder(folders):
    small = (12, 12)
    pictures, targets = folders(
        pred={"a.png": small, "deep/a.png": small, "both.png": small, "both.bmp": small, "c.png": small},
        target={"a.bmp": small, "deep/a.png": small, "both.png": small, "both.bmp": small, "d.png": small},
    )
    found = paired(pictures, targets)
    assert {pair.name: pair.target.relative_to(targets).as_posix() for pair in found.pairs} == {
        "a.png": "a.bmp", "both.bmp": "both.bmp", "both.png": "both.png", "deep/a.png": "deep/a.png",
    }  # fmt: skip
    assert [str(broken) for broken in found.single] == [f"{pictures}/c.png: {targets} holds no c.*"]
    assert (found.spare, found.passed_over) == (1, 0)


def test_of_two_pictures_that_differ_in_their_suffix_only_one_has_the_target_of_its_suffix(folders):
    pictures, targets = folders(pred={"a.png": (12, 12), "a.bmp": (12, 12)}, target={"a.png": (12, 12)})
    found = paired(pictures, targets)
    assert [pair.name for pair in found.pairs] == ["a.png"]
    assert [broken.reason for broken in found.single] == [f"{targets} holds no a.bmp"]


def test_match_rewrites_names_and_passes_over_what_it_does_not_touch(folders):
    pictures, targets, originals = folders(
        pred={"x_LR.png": (12, 12), "x_HR.png": (12, 12), "LR_set/y_LR.png": (12, 12)},
        target={"x_HR.png": (12, 12), "LR_set/y_HR.png": (12, 12)},
        small={"x_LR.bmp": (3, 3), "LR_set/y_HR.png": (3, 3)},
    )
    found = paired(pictures, targets, originals, rewrite=rewrite_from(["_LR=_HR"]))
    assert [(pair.name, pair.target.name, pair.original.name) for pair in found.pairs] == [
        ("LR_set/y_LR.png", "y_HR.png", "y_HR.png"),
        ("x_LR.png", "x_HR.png", "x_LR.bmp"),
    ]
    assert found.passed_over == 1
    mixed = paired(pictures, pictures, globs=["x_LR*"], rewrite=rewrite_from(["_LR=_HR"]))
    assert (len(mixed.pairs), mixed.spare) == (1, 0)  # y_LR.png is no target
    assert [pair.name for pair in paired(pictures, targets, globs=["x_H*"]).pairs] == ["x_HR.png"]
    with pytest.raises(UsageError, match=r"pred: none of its 3 pictures has '_SR' in its name to be replaced$"):
        paired(pictures, targets, rewrite=rewrite_from(["_SR=_HR"]))
    with pytest.raises(UsageError, match=r"^--match _LR: give what to replace and by what, such as _LR=_HR$"):
        rewrite_from(["_LR"])


def test_where_nothing_pairs_the_first_picture_and_match_are_named(folders):
    pictures, targets = folders(pred={"a.png": (12, 12)}, target={"b.png": (12, 12)})
    with pytest.raises(UsageError, match=r"none of its pictures has a target, such as .*holds no a\.\* .*--match _LR="):
        paired(pictures, targets)
    with pytest.raises(UsageError, match=r"^--glob 'x\*': fits no picture of .* \(found 1, such as .*a\.png\)$"):
        paired(pictures, targets, globs=["x*"])
    alone = paired(pictures / "a.png", targets / "b.png")
    assert [pair.target.name for pair in alone.pairs] == ["b.png"]


def test_targets_are_cut_by_less_than_the_scale_and_no_more(folders):
    pictures, targets = folders(
        pred={"even.png": (40, 44), "odd.png": (40, 44), "large.png": (40, 44), "less.png": (40, 44)},
        target={"even.png": (40, 44), "odd.png": (43, 45), "large.png": (44, 44), "less.png": (39, 44)},
    )
    evaluation = evaluate_pairs(paired(pictures, targets).pairs, Ruler(scale=4, border=4))
    assert [row.name for row in evaluation.rows] == ["even.png", "odd.png"]
    assert [str(broken) for broken in evaluation.refused] == [
        f"{pictures}/large.png: 44×40, but its target {targets}/large.png is 44×44",
        f"{pictures}/less.png: 44×40, but its target {targets}/less.png is 44×39",
    ]
    unknown = evaluate_pairs(paired(pictures, targets).pairs, Ruler())
    assert [row.name for row in unknown.rows] == ["even.png"]
    assert unknown.refused[2].reason.endswith("odd.png is 45×43; with --scale S it may be up to S - 1 pixels larger")


def test_the_scale_is_that_of_most_originals_or_unknown(folders):
    pictures, targets, originals = folders(
        pred={"a.png": (24, 32), "b.png": (12, 12)},
        target={"a.png": (24, 32), "b.png": (12, 12)},
        small={"a.png": (12, 16), "b.png": (6, 6)},
    )
    assert scale_of(paired(pictures, targets, originals).pairs) == 2
    assert scale_of(paired(pictures, targets).pairs) is None
    Image.new("RGB", (4, 4)).save(originals / "b.png")
    found = paired(pictures, targets, originals).pairs
    assert scale_of(found) is None
    (refused,) = evaluate_pairs(found, Ruler(scale=2, baseline="originals")).refused
    assert refused.reason == f"12×12, not 2 times its original {originals}/b.png, which is 4×4"


def test_bicubic_is_measured_with_the_same_ruler(folders):
    pictures, targets, originals = folders(
        pred={"a.png": (48, 56)}, target={"a.png": (48, 56)}, small={"a.png": (24, 28)}
    )
    with Image.open(originals / "a.png") as small:
        small.resize((56, 48), Image.Resampling.BICUBIC).save(pictures / "a.png")
    (row,) = evaluate_pairs(
        paired(pictures, targets, originals).pairs, Ruler(scale=2, border=2, baseline="originals")
    ).rows
    assert row.bicubic == row.scores
    (row,) = evaluate_pairs(paired(pictures, targets).pairs, Ruler(scale=2, border=2, baseline="targets")).rows
    assert row.bicubic is not None
    assert row.bicubic["psnr_y"] > row.scores["psnr_y"]  # out of the target itself


def test_grey_deep_and_transparent_pictures_are_measured_as_8_bit_srgb(tmp_path):
    clean = noisy(20, 20)[0]
    grey = Image.fromarray(clean[..., 0])
    grey.save(tmp_path / "grey.png")
    Image.fromarray(clean[..., 0].astype(numpy.uint16) * 257).save(tmp_path / "deep.png")
    grey.convert("RGBA").save(tmp_path / "alpha.png")
    (tmp_path / "broken.png").write_text("no picture")
    pairs = [Pair(name, tmp_path / name, tmp_path / "grey.png") for name in ("deep.png", "alpha.png", "broken.png")]
    evaluation = evaluate_pairs(pairs, Ruler())
    assert [row.scores["psnr_rgb"] for row in evaluation.rows] == [inf, inf]
    assert [str(broken) for broken in evaluation.refused] == [
        f"{tmp_path}/broken.png: not a picture that Pillow can read (found text)"
    ]


def test_bicubic_is_the_mean_over_the_same_pictures():
    rows = [Row("a", {"psnr_y": inf}, {"psnr_y": 10.0}), Row("b", {"psnr_y": 30.0}, {"psnr_y": 20.0})]
    assert Evaluation.of(rows).bicubic_mean("psnr_y") == 20
    assert Evaluation.of(rows[:1]).bicubic_mean("psnr_y") == 10


def test_infinite_psnr_is_left_out_of_means_and_null_in_strict_json():
    rows = [Row(name, {"psnr_y": value, "ssim_y": 0.5}) for name, value in (("a", 20.0), ("b", inf), ("c", 30.0))]
    evaluation = Evaluation.of([BrokenPicture("d", "empty file"), *reversed(rows)])
    assert (evaluation.mean("psnr_y"), evaluation.identical, evaluation.bicubic_mean("psnr_y")) == (25, 1, None)
    ruler = Ruler(scale=4, border=4)
    data = paired_data(evaluation, ruler, paired_protocol(ruler, "the scale"), ["a remark"])
    read = json.loads(json.dumps(data, allow_nan=False))
    assert (read["count"], read["identical"], read["remarks"], read["border"]) == (3, 1, ["a remark"], 4)
    assert read["metrics"]["psnr_y"] == {
        "mean": 25, "bicubic": None, "worst": "a", "best": "b", "unit": "dB", "more_is_better": True,
    }  # fmt: skip
    assert [picture["psnr_y"] for picture in read["pictures"]] == [20, None, 30]
    assert read["not_evaluated"] == [{"file": "d", "reason": "empty file"}]
    assert as_csv(evaluation).splitlines() == [
        "file,psnr_y,ssim_y,bicubic_psnr_y,bicubic_ssim_y,not_evaluated",
        "a,20.0,0.5,,,", "b,inf,0.5,,,", "c,30.0,0.5,,,", "d,,,,,empty file",
    ]  # fmt: skip
    assert Evaluation.of([rows[1]]).mean("psnr_y") == inf


def test_the_protocol_says_in_one_line_how_it_was_measured():
    line = in_words(paired_protocol(Ruler(scale=4, border=4, baseline="targets"), "the scale"))
    assert line.startswith(
        "pictures by: files; scale: 4; border: 4 pixels cropped on each side (the scale); Y: BT.601, 16 to 235, rounded"
    )
    for part in ("PSNR: peak 255", "Gaussian 11×11, σ 1.5", "8-bit sRGB", "less than 4 pixels larger", "imresize"):
        assert part in line
    assert f"torch {torch.__version__.partition('+')[0]}" in line
    assert "border: no pixels cropped on each side (why)" in in_words(paired_protocol(Ruler(), "why"))


@pytest.mark.skipif(not SET5.exists(), reason=f"no Set5 at {SET5}")
def test_bicubic_on_set5_is_what_the_field_states():
    found = paired(SET5, SET5, SET5, rewrite=rewrite_from(["_LR=_HR"])).pairs
    scale, border = 4, 4
    pairs = [Pair(pair.name, pair.target, pair.target, pair.original) for pair in found]
    evaluation = evaluate_pairs(pairs, Ruler(scale, border, baseline="originals"))
    assert evaluation.bicubic_mean("psnr_y") == pytest.approx(28.42, abs=0.005)
    assert evaluation.bicubic_mean("ssim_y") == pytest.approx(0.8104, abs=0.0005)
    own = evaluate_pairs(pairs, Ruler(scale, border, baseline="targets"))
    assert own.bicubic_mean("psnr_y") == pytest.approx(28.42, abs=0.005)


@pytest.mark.skipif(not WEIGHTS.exists(), reason=f"no published weights at {WEIGHTS}")
def test_lpips_is_measured_inside_the_border_and_needs_its_size():
    files = {"weights": "squeezenet1_1-torchvision-norm.pth", "heads": "lpips-v0.1/squeeze.pth"}
    network = LPIPS(LPIPSOptions(**{name: str(WEIGHTS / file) for name, file in files.items()}))
    network.prepare()
    clean, disturbed = noisy(48, 40)
    disturbed[4:-4, 4:-4] = clean[4:-4, 4:-4]
    one, other = Image.fromarray(clean), Image.fromarray(disturbed)
    assert Ruler(border=4, lpips=network).scores(one, other)["lpips"] == 0
    whole = Ruler(lpips=network).scores(one, other)["lpips"]
    images = [tensor(pixels)[None].float() / 255 for pixels in (clean, disturbed)]
    assert whole == pytest.approx(network.distances(*images).item())
    with pytest.raises(ValueError, match=r"LPIPS needs 32×32$"):
        Ruler(border=5, lpips=network).scores(one, other)
    protocol = paired_protocol(Ruler(lpips=network), "as asked for")
    assert protocol["LPIPS"] == "0.1, squeeze, RGB, same border"
    assert "heads squeeze.pth 4a5350f23600" in in_words(protocol)
