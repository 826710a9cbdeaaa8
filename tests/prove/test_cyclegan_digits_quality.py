"""Proof: `cyclegan-digits` redraws digits it has never seen, both ways, and they stay the same digits."""

import time

import pytest
import torch

from i2i import discover, load, load_recipe, start

pytestmark = pytest.mark.prove
SECONDS = 180


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_unseen_digits_keep_their_label_and_change_their_domain(real, reader, tmp_path, seed):
    root, sets = real
    where = [f"dataset.source={root / 'fit' / 'white'}", f"dataset.target={root / 'fit' / 'yellow'}"]
    catalog = discover()
    recipe = load_recipe(catalog, "cyclegan-digits", overrides=[*where, f"run.seed={seed}"])
    began = time.monotonic()
    run = start(catalog, recipe, tmp_path / "run").run()
    seconds = time.monotonic() - began
    pictures, labels, domains = sets["unseen"]
    print(f"\nseed {seed}: {recipe.run.steps} steps in {seconds:.0f} s")
    translator = load(run.path)
    ways = {way: translator.with_options(direction=way) for way in ("source-to-target", "target-to-source")}
    for (way, there), back, domain in zip(ways.items(), reversed(ways.values()), (0, 1), strict=True):
        originals = list(pictures[domains == domain])
        translated = there.translate(originals, batch=50)
        returned = torch.stack(back.translate(translated, batch=50))
        kept, moved = reader.accuracy(
            torch.stack(translated), labels[domains == domain], torch.full((500,), 1 - domain)
        )
        cycle = 2 * (returned - torch.stack(originals)).abs().mean().item()  # in [-1, 1], as the paper's loss
        print(f"  {way}: label kept {kept:.3f}, domain {moved:.3f}, cycle L1 {cycle:.3f} (range [-1, 1])")
        assert kept >= 0.85
        assert moved >= 0.95
        assert cycle < 0.2
    assert seconds < SECONDS
