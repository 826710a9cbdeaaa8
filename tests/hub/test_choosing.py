"""Commands that are given weights on the web."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click import Context
from click.testing import CliRunner

from i2i import ResNetGenerator, Weights, discover
from i2i.cli.translate import translate
from i2i.cli.weights import WEIGHTS, at_hand
from i2i.errors import UsageError
from i2i.hub.addresses import parsed
from i2i.inference.choosing import choose_weights

CONTENT = b"weights, as far as a download can tell"


def test_where_weights_lie_on_the_web_is_why_they_are_chosen(web: Any) -> None:
    web.serve("/w.safetensors", CONTENT)
    remote = parsed(web.url("/w.safetensors"))
    path, why = choose_weights(discover(), None, remote, None)
    assert (path, why.partition(";")[0]) == (remote.place, f"from {remote.address}")
    assert at_hand(remote) == remote.place
    assert at_hand(Path("w.safetensors")) == Path("w.safetensors")
    assert at_hand(None) is None


def test_nothing_is_fetched_where_the_command_is_wrong(web: Any) -> None:
    remote = parsed(web.url("/w.safetensors"))
    with pytest.raises(UsageError, match="give either --weights FILE or --run DIR, not both"):
        choose_weights(discover(), None, remote, Path("run"))
    pickle = parsed(web.url("/w.pth"))
    for choose in (lambda: choose_weights(discover(), None, pickle, None), lambda: at_hand(pickle),
                   lambda: choose_weights(discover(), "cyclegan", pickle, None)):  # fmt: skip
        with pytest.raises(UsageError) as caught:
            choose()
        assert str(caught.value) == (
            f"{pickle}: a pickle file can run code when it is opened; one that lies on the web is fetched only for a "
            "--plugin whose model reads what others published; else fetch it yourself and bring it in with `i2i import "
            "FILE --out W.safetensors`"
        )
    assert web.asked == []


def test_a_pickle_is_fetched_for_a_model_that_reads_what_others_published(web: Any) -> None:
    web.serve("/w.pth", CONTENT)
    catalog = discover()
    if "spandrel" not in catalog.names("recipe"):
        pytest.skip("no such model is installed")
    assert choose_weights(catalog, "spandrel", parsed(web.url("/w.pth")), None)[0].read_bytes() == CONTENT


def test_a_pickle_on_the_web_is_brought_in_as_one_that_is_here(web: Any, tmp_path: Path) -> None:
    from i2i.cli import i2i

    if "cyclegan" not in (catalog := discover()).names("model"):
        pytest.skip("no model that knows such a file is installed")
    file = tmp_path / "latest_net_G.pth"
    torch.save(ResNetGenerator(3, 4, False).state_dict(), file)
    web.serve("/latest_net_G.pth", file.read_bytes())
    remote = parsed(web.url("/latest_net_G.pth"))
    for source, out in ((file, "here.safetensors"), (remote, "fetched.safetensors")):
        done = CliRunner().invoke(i2i, ["import", str(source), "--out", str(tmp_path / out)])
        assert (done.exit_code, done.exception) == (0, None)
    here, there = (Weights.load(tmp_path / name) for name in ("here.safetensors", "fetched.safetensors"))
    assert there.fingerprint() == here.fingerprint()
    assert there.recipe["model"]["use"] in catalog.names("model")


def test_the_option_takes_paths_and_addresses() -> None:
    context = Context(translate)
    option = next(parameter for parameter in translate.params if parameter.name == "weights")
    assert WEIGHTS.convert("a/w.safetensors", option, context) == Path("a/w.safetensors")
    assert WEIGHTS.convert("https://host/w.onnx", option, context) == parsed("https://host/w.onnx")
    with pytest.raises(UsageError, match=r"^--weights: empty; a weights file is named, or its address$"):
        WEIGHTS.convert("", option, context)


@pytest.mark.parametrize(
    ("command", "flag"),
    [("translate", "--weights"), ("fit", "--init"), ("evaluate", "--weights"), ("serve", "--weights")],
)
def test_a_wrong_address_is_a_usage_error_of_every_command(command: str, flag: str) -> None:
    from i2i.cli import i2i

    words = {"translate": ["--dst", "x"], "evaluate": ["--target", "x"]}.get(command, [])
    done = CliRunner().invoke(i2i, [command, flag, "http://host/w.safetensors", *words])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).endswith("comes over the net unprotected, for anybody to change; give https://…")
