"""Weights of the hub's repositories, fetched and published by its own library, which talks to a hub of this test's."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from own_hub import TOKEN, Hub, Repository, own_hub
from PIL import Image

from i2i.errors import I2IError, UsageError
from i2i.hub import publishing
from i2i.hub.addresses import parsed
from i2i.hub.card import MARK
from i2i.hub.fetching import Fetched, fetched
from i2i.hub.huggingface import LOG_IN
from i2i.hub.pins import lock_file
from i2i.hub.publishing import Publication, publish

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "plugins" / "cyclegan" / "i2i_cyclegan" / "weights" / "digits.safetensors"
EMOJI = ROOT / "plugins" / "dcgan" / "i2i_dcgan" / "weights" / "emoji.safetensors"
SHA256 = hashlib.sha256(DIGITS.read_bytes()).hexdigest()
ADDRESS = "hf://me/digits/nets/digits.safetensors"
TO_DIGITS = Publication("me/digits", "main", DIGITS, f"---\ntags: [old]\n---\n{MARK}\n", "A push")
I2I = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Path, Any]]:
    """(a hub, a home for what its library keeps, that library): it reads its environment once, when it is imported."""
    home = tmp_path_factory.mktemp("hf")
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "huggingface_hub"}
    with own_hub() as server, pytest.MonkeyPatch.context() as patch:
        for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        given = {"HF_ENDPOINT": server.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        for name, value in given.items():
            patch.setenv(name, value)
        for name in before:
            del sys.modules[name]
        from huggingface_hub import constants

        yield server, home, constants
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture
def hub(library: tuple[Hub, Path, Any], homes: Path) -> Hub:
    """With one repository, of which nothing was fetched yet."""
    server, home, _ = library
    shutil.rmtree(home, ignore_errors=True)
    server.repositories.clear()
    server.objects.clear()
    server.asked.clear()
    server.fails_with = None
    repository = server.repositories["me/digits"] = Repository()
    repository.commit("main", {"nets/digits.safetensors": DIGITS.read_bytes()})
    return server


@pytest.fixture
def snapshots(library: tuple[Hub, Path, Any]) -> Path:
    return library[1] / "hub" / "models--me--digits" / "snapshots"


@pytest.fixture
def i2i(run_i2i: I2I, homes: Path) -> I2I:
    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return run_i2i(*words, cwd=homes)

    return run


def refused(address: str, kind: type[I2IError] = I2IError) -> str:
    with pytest.raises(kind) as caught:
        fetched(parsed(address))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_a_repository_is_pinned_with_its_commit(hub: Hub, snapshots: Path) -> None:
    commit = hub.repositories["me/digits"].branches["main"]
    path = snapshots / commit / "nets" / "digits.safetensors"
    origin = f"from {ADDRESS}@main"
    assert fetched(parsed(ADDRESS)) == Fetched(path, SHA256, f"{origin}; pinned in {lock_file()}: SHA-256 {SHA256}")
    assert path.read_bytes() == DIGITS.read_bytes()
    about = json.loads(lock_file().read_text())[f"{ADDRESS}@main"]
    assert about == {"sha256": SHA256, "bytes": DIGITS.stat().st_size, "revision": commit, "date": about["date"]}

    newer = hub.repositories["me/digits"].commit("main", {"nets/digits.safetensors": b"another"})
    asked = len(hub.asked)
    assert fetched(parsed(f"{ADDRESS}@main")) == Fetched(path, SHA256, origin)
    assert len(hub.asked) == asked
    assert fetched(parsed(f"{ADDRESS}@{newer}")).path.read_bytes() == b"another"
    assert fetched(parsed(f"{ADDRESS}@{commit}#sha256={SHA256}")).path == path
    path.resolve().write_bytes(b"damaged")
    assert fetched(parsed(ADDRESS)).path.read_bytes() == DIGITS.read_bytes()
    shutil.rmtree(snapshots.parent)
    assert refused(f"{ADDRESS}#sha256={SHA256}") == (
        f"{ADDRESS}@main: its SHA-256 is {hashlib.sha256(b'another').hexdigest()}, not {SHA256} as given"
    )
    assert fetched(parsed(ADDRESS)) == Fetched(path, SHA256, origin)  # from the commit that was pinned


def test_a_transfer_that_breaks_off_goes_on(hub: Hub) -> None:
    content = os.urandom(11_000_000)
    hub.repositories["me/digits"].commit("main", {"large.onnx": content})
    hub.breaks_after = [10_500_000]
    assert fetched(parsed("hf://me/digits/large.onnx")).path.read_bytes() == content
    assert [asked for asked in hub.asked if asked.startswith("Range")] == ["Range bytes=10485760-"]


def test_without_a_network_the_line_names_the_file_and_where_to_put_it(
    hub: Hub, i2i: I2I, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    remote = parsed(f"{ADDRESS}@v1#sha256={SHA256}")
    done = i2i("export", "--weights", remote, "--to", "onnx", "x.onnx")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"Error: {ADDRESS}@v1: cannot be fetched (")
    assert "Connection refused" in done.stderr
    assert done.stderr.endswith(
        f"); put digits.safetensors (SHA-256 {SHA256}) at {remote.place}, or name a file that is here\n"
    )
    remote.place.parent.mkdir(parents=True)
    shutil.copy(DIGITS, remote.place)
    assert fetched(remote) == Fetched(remote.place, SHA256, f"from {ADDRESS}@v1")


def test_the_offline_mode_of_the_hubs_library_is_respected(
    hub: Hub, library: tuple[Hub, Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library[2], "HF_HUB_OFFLINE", True)
    assert "offline mode is enabled" in refused(ADDRESS)
    remote = parsed(ADDRESS)
    remote.place.parent.mkdir(parents=True)
    shutil.copy(DIGITS, remote.place)
    assert fetched(remote) == Fetched(
        remote.place, SHA256, f"from {ADDRESS}@main; pinned in {lock_file()}: SHA-256 {SHA256}"
    )
    assert hub.asked == []


def test_what_the_hubs_cache_has_is_used_where_the_hub_is_out_of_order(hub: Hub) -> None:
    commit = hub.repositories["me/digits"].branches["main"]
    found = fetched(parsed(f"{ADDRESS}@{commit}"))
    hub.fails_with = 503
    assert fetched(parsed(f"{ADDRESS}@{commit}#sha256={SHA256}")).path == found.path
    assert fetched(parsed(f"{ADDRESS}@{commit}")).path == found.path
    assert "cannot be fetched (HTTP Error 503: Service Unavailable); put digits.safetensors at" in refused(ADDRESS)


def test_a_file_beyond_the_limit_is_not_begun(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.hub.web.LIMIT_BYTES", 1_000_000)
    assert "cannot be fetched (larger than 0 GB, which no weights file should be)" in refused(ADDRESS)
    assert not any(asked.startswith("GET /me") for asked in hub.asked)


def test_a_file_of_a_branch_whose_hash_is_given_is_fetched_once(hub: Hub) -> None:
    with_hash = parsed(f"{ADDRESS}@main#sha256={SHA256}")
    found = fetched(with_hash)
    asked = len(hub.asked)
    assert fetched(with_hash) == found
    assert len(hub.asked) == asked
    assert not lock_file().exists()


def test_what_the_hub_refuses_is_told_in_one_line(hub: Hub) -> None:
    assert refused("hf://me/digits/w.safetensors", UsageError) == (
        f"hf://me/digits: has no file w.safetensors at main; see {hub.url}/me/digits/tree/main"
    )
    assert refused(f"{ADDRESS}@v2", UsageError) == (f"hf://me/digits: has no revision 'v2'; see {hub.url}/me/digits")
    assert refused("hf://me/none/w.safetensors", UsageError) == (
        f"hf://me/none: no such repository, or a private one: if you have access, {LOG_IN}"
    )
    hub.repositories["me/digits"].gated = True
    assert refused(ADDRESS) == (
        f"hf://me/digits: gated, its owner decides who may fetch it; ask at {hub.url}/me/digits, then {LOG_IN}"
    )


def test_a_private_repository_is_read_with_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories["me/digits"].private = True
    assert "no such repository, or a private one" in refused(ADDRESS, UsageError)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetched(parsed(ADDRESS)).sha256 == SHA256


def test_without_the_extra_the_line_says_what_to_install(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    needs = "the Hugging Face hub needs more packages: pip install 'i2i[hub]'"
    assert refused(ADDRESS, UsageError) == f"hf://me/digits: {needs}"
    with pytest.raises(UsageError, match=re.escape(f"me/digits: {needs}")):
        publish(TO_DIGITS)


def test_pushed_weights_come_back_with_a_card_that_says_how(
    hub: Hub, i2i: I2I, homes: Path, snapshots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    words = ("push", DIGITS, "me/new", "--licence", "apache-2.0")
    told = i2i(*words, "--dry-run")
    assert told.returncode == 0, told.stderr
    assert hub.asked == []
    assert told.stderr == (
        "would be pushed to me/new, branch main: digits.safetensors, 1.1 MB, and this card (README.md); nothing was "
        "uploaded\n"
    )
    done = i2i(*words)
    assert (done.returncode, done.stderr) == (0, "")
    repository = hub.repositories["me/new"]
    commit = repository.branches["main"]
    files = repository.commits[commit]
    assert files["digits.safetensors"] == DIGITS.read_bytes()
    assert files["README.md"].decode() == told.stdout.removesuffix("\n")
    assert repository.messages == ["digits.safetensors, by i2i push"]
    assert not repository.private
    assert done.stdout.splitlines() == [
        f"me/new: digits.safetensors and its card, {hub.url}/me/new/commit/{commit}",
        f"next: i2i translate --weights hf://me/new/digits.safetensors@{commit} --src PICTURES --dst OUT",
    ]
    shown = re.search(r"--weights '(hf://[^']+)'", told.stdout)
    assert shown is not None
    assert shown[1] == f"hf://me/new/digits.safetensors@main#sha256={SHA256}"
    Image.new("RGB", (32, 32), "white").save(homes / "x.png")
    done = i2i("translate", "--weights", shown[1], "--src", "x.png", "--dst", "out")
    assert done.returncode == 0, done.stderr
    path = snapshots.parents[1] / "models--me--new" / "snapshots" / commit / "digits.safetensors"
    assert done.stderr.startswith(f"cyclegan-digits, step 700: {path} (from hf://me/new/digits.safetensors@main)\n")
    assert (homes / "out" / "x.png").exists()


def test_json_says_what_was_pushed(hub: Hub, i2i: I2I, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    done = i2i("push", EMOJI, "hf://me/digits", "--message", "Again", "--revision", "next", "--private", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    done = i2i("push", EMOJI, "hf://me/emoji", "--message", "Again", "--revision", "next", "--private", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    repository, said = hub.repositories["me/emoji"], json.loads(done.stdout)
    commit = repository.branches["next"]
    assert said == {
        **{"repository": "me/emoji", "revision": "next", "file": "emoji.safetensors", "bytes": EMOJI.stat().st_size},
        **{"sha256": hashlib.sha256(EMOJI.read_bytes()).hexdigest(), "commit": commit},
        **{"url": f"{hub.url}/me/emoji/commit/{commit}", "card": repository.commits[commit]["README.md"].decode()},
    }
    assert (repository.private, repository.messages) == (True, ["Again"])
    assert "emoji.safetensors" not in repository.commits[repository.branches["main"]]


def test_a_card_that_somebody_wrote_is_not_replaced_unasked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    repository = hub.repositories["me/digits"]
    before = repository.commit("main", {"README.md": b"# Mine\n"})
    with pytest.raises(UsageError) as caught:
        publish(TO_DIGITS)
    assert str(caught.value) == (
        "me/digits: its README.md is somebody's own; --force replaces it with the card that --dry-run shows"
    )
    assert repository.branches["main"] == before
    done = publish(replace(TO_DIGITS, force=True))
    assert done.commit == repository.branches["main"] != before
    publish(replace(TO_DIGITS, card=f"---\ntags: [new]\n---\n{MARK}\n"))  # its own it writes anew
    assert b"new" in repository.commits[repository.branches["main"]]["README.md"]


def test_a_private_push_never_ends_in_a_public_repository(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(UsageError) as caught:
        publish(replace(TO_DIGITS, private=True))
    assert str(caught.value) == ("me/digits: is there already, for everybody to see; --private makes new ones only")
    assert hub.repositories["me/digits"].messages == []


def test_what_others_push_meanwhile_is_not_lost(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    looked = publishing._refuse_replacing

    def and_somebody_else_pushes(publication: Publication) -> None:
        looked(publication)
        hub.repositories["me/digits"].commit("main", {"README.md": b"# Mine\n"})

    monkeypatch.setattr(publishing, "_refuse_replacing", and_somebody_else_pushes)
    with pytest.raises(
        I2IError, match=r"^me/digits: cannot be pushed to \(HTTP Error 412: A commit has happened since\)$"
    ):
        publish(TO_DIGITS)


def test_who_may_not_push_is_told_so_in_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        publish(TO_DIGITS)
    assert str(caught.value) == f"me/digits: nobody may write there without a token; {LOG_IN}"
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(I2IError) as refusal:
        publish(TO_DIGITS)
    assert str(refusal.value) == (f"me/digits: refused (HTTP Error 401: Invalid username or password.); {LOG_IN}")


def test_a_push_without_a_network_is_one_line(hub: Hub, i2i: I2I, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = i2i("push", DIGITS, "me/digits")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: me/digits: cannot be pushed to \(.*Connection refused.*\)\n", done.stderr)
