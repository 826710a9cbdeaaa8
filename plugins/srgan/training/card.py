"""Writes the card of the shipped weights: what they are, what they were trained on, how well they do.

    python plugins/srgan/training/card.py --set5 FOLDER RUN_X4 RUN_X2 > plugins/srgan/i2i_srgan/weights/README.md

`--set5` holds `image_SRF_2` and `image_SRF_4`, each with `*_LR.png` and `*_HR.png`; the runs are those whose weights
`ship.py` shipped. Every figure is measured or read from the runs now.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import i2i

WEIGHTS = Path(str(files("i2i_srgan"))) / "weights"
CARD = """\
# Shipped weights

Made by `i2i fit`; half precision, in safetensors, with the recipe in the header. They may be used under Apache-2.0.

| file | recipe | parameters | steps | SHA-256 |
| --- | --- | ---: | ---: | --- |
{files}

## How well they do

Set5 (Bevilacqua et al. 2012) from its own small pictures, by `i2i evaluate`: Y of BT.601 rounded to 8 bits, border of
the scale cropped, SSIM with a Gaussian of 11×11. Set5 had no part in the training.

| scale | | PSNR on Y (dB) | SSIM on Y |
| --- | --- | ---: | ---: |
{figures}

## What they were trained on

{pictures} tiles of photographs in the public domain, under CC0 or CC BY, and of pictures drawn by our own code. Each
source with its author and licence stands in `plugins/srgan/training/README.md` of the i2i repository, which also holds
the programs that made the tiles, these files and this card. Attribution: photographs by danielbuechele and vultilion
(CC BY 2.0), Aitzol Berasategi, Jakub Mede and Trevor "Freespace" (CC BY 4.0), shrunk and cut; Noto emoji by Google
(Apache-2.0).

{hardware}

They know one way of losing resolution: bicubic, as the field's test pictures. Noise and the blocks of JPEG are enlarged
with everything else; recipe `srresnet-photographs` trains against that.
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set5", type=Path, required=True)
    parser.add_argument("runs", type=Path, nargs="+")
    asked = parser.parse_args()
    names, figures, hardware = [], [], []
    for run in asked.runs:
        scale = _scale(run)
        path = WEIGHTS / f"compact-x{scale}.safetensors"
        translator = i2i.load(path)
        parameters = sum(parameter.numel() for parameter in translator.model.parameters())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name, step = translator.name, translator.header["step"]
        names.append(f"| `{path.name}` | `{name}` | {parameters:,} | {step:,} | `{digest}` |")
        figures += _figures(path, asked.set5 / f"image_SRF_{scale}", scale)
        hardware.append(f"`{path.name}`: {_effort(run)}")
    environment = _environment(asked.runs[0])
    told = f"Trained on {environment['threads']} core of an {environment['device name']} ({environment['precision']}): "
    pictures = environment["data"]["source"]["pictures"]
    text = CARD.format(
        files="\n".join(names), figures="\n".join(figures), pictures=pictures, hardware=told + "; ".join(hardware) + "."
    )
    print(text, end="")


def _figures(weights: Path, folder: Path, scale: int) -> list[str]:
    """The rows of one scale, out of what `i2i evaluate` says."""
    pairs = ["--src", folder, "--target", folder, "--glob", "*_LR.png", "--match", "_LR=_HR"]
    asked = ["evaluate", "--weights", weights, *pairs, "--lpips", "none", "--json", "-"]
    once, eight = (_evaluated(*asked, *ways) for ways in ([], ["--self-ensemble"]))
    rows = {"bicubic": (once, "bicubic"), "shipped": (once, "mean"), "shipped, `--self-ensemble`": (eight, "mean")}
    return [
        f"| ×{scale} | {name} | {found['psnr_y'][which]:.2f} | {found['ssim_y'][which]:.4f} |"
        for name, (found, which) in rows.items()
    ]


def _evaluated(*arguments: str | Path) -> Any:
    line = [sys.executable, "-m", "i2i", *map(str, arguments)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)["metrics"]


def _scale(run: Path) -> int:
    header: Any = i2i.load(run).header
    return int(header["recipe"]["model"]["scale"])


def _environment(run: Path) -> Any:
    return json.loads((run / "environment.json").read_text(encoding="utf-8"))


def _effort(run: Path) -> str:
    """How long the steps took, as the run's own log has it."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    batch = i2i.load(run).header["recipe"]["run"]["batch"]
    seconds, before = 0.0, 0
    for line in lines:
        seconds += batch * (line["step"] - before) / line["images_per_second"]
        before = line["step"]
    return f"{before:,} steps of {batch} squares in {seconds / 60:.0f} minutes"


if __name__ == "__main__":
    main()
