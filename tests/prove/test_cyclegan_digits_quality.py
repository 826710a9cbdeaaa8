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
    print(f"\nseed {seed}: {recipe.run.steps} steps in {seconds:.0f} s")
    assert_translated(load(run.path), reader, *sets["unseen"])
    assert seconds < SECONDS


def test_the_shipped_weights_do_as_well(real, reader):
    print("\nshipped")
    recipe = load_recipe(discover(), "cyclegan-digits")
    assert_translated(load(recipe.weights), reader, *real[1]["unseen"])


def assert_translated(translator, reader, pictures, labels, domains):
    """Both ways, unseen digits are read as the same digits of the other domain, and come back."""
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
