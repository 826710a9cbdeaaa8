"""Weights from the web: held to their SHA-256, gone on with where they broke off, told of in one line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from i2i.disk.locking import alone
from i2i.errors import I2IError
from i2i.hub import web as downloading
from i2i.hub.addresses import Remote, parsed
from i2i.hub.fetching import Fetched, fetched
from i2i.hub.pins import Pin, lock_file, pin, pinned

CONTENT = os.urandom(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
OTHER_DIGEST = hashlib.sha256(OTHER).hexdigest()
FILE = "/w.safetensors"
CHUNK = downloading.CHUNK_BYTES


@pytest.fixture
def remote(web: Any) -> Remote:
    """A file that is served."""
    web.serve(FILE, CONTENT)
    return parsed(web.url(FILE))


def refused(remote: Remote) -> str:
    with pytest.raises(I2IError) as caught:
        fetched(remote)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def given(remote: Remote, digest: str) -> Remote:
    return parsed(f"{remote.address}#sha256={digest}")


def left_of(remote: Remote) -> list[str]:
    return sorted(path.name for path in remote.place.parent.rglob("*"))


def test_the_first_use_of_an_address_pins_what_it_holds(web: Any, remote: Remote, homes: Path) -> None:
    found = fetched(remote)
    assert found.path == remote.place
    assert found.path.read_bytes() == CONTENT
    assert lock_file() == homes / "config" / "i2i" / "weights.lock.json"
    assert found == Fetched(remote.place, DIGEST, f"from {remote.address}; pinned in {lock_file()}: SHA-256 {DIGEST}")
    about = json.loads(lock_file().read_text())[remote.address]
    assert about == {"sha256": DIGEST, "bytes": len(CONTENT), "date": about["date"]}
    assert left_of(remote) == ["w.safetensors"]
    assert [path.name for path in lock_file().parent.iterdir()] == ["weights.lock.json"]


def test_what_is_pinned_is_taken_from_the_cache_without_asking_the_web(web: Any, remote: Remote) -> None:
    fetched(remote)
    web.files.clear()
    assert fetched(remote) == Fetched(remote.place, DIGEST, f"from {remote.address}")
    assert web.asked == [(FILE, None)]


def test_a_hash_that_is_given_needs_no_pin(web: Any, remote: Remote) -> None:
    assert fetched(given(remote, DIGEST.upper())).path.read_bytes() == CONTENT
    assert fetched(given(remote, DIGEST)).origin == f"from {remote.address}"
    assert len(web.asked) == 1
    assert not lock_file().exists()


def test_contents_other_than_given_are_refused_and_not_kept(remote: Remote) -> None:
    assert refused(given(remote, "0" * 64)) == (f"{remote.address}: its SHA-256 is {DIGEST}, not {'0' * 64} as given")
    assert left_of(remote) == []


def test_contents_other_than_pinned_are_refused_until_the_user_wants_them(web: Any, remote: Remote) -> None:
    fetched(remote)
    remote.place.unlink()
    web.serve(FILE, OTHER)
    date = json.loads(lock_file().read_text())[remote.address]["date"]
    assert refused(remote) == (
        f"{remote.address}: its SHA-256 is {OTHER_DIGEST}, not {DIGEST} as pinned on {date} in {lock_file()}; if "
        f"the new contents are meant, remove that entry, or give the address with #sha256={OTHER_DIGEST}"
    )
    assert not remote.place.exists()
    assert fetched(given(remote, OTHER_DIGEST)).path.read_bytes() == OTHER
    lock_file().write_text("{}")
    assert fetched(remote).sha256 == OTHER_DIGEST


def test_a_hash_that_is_given_leaves_what_is_pinned_where_it_is(web: Any, remote: Remote) -> None:
    fetched(remote)
    web.serve(FILE, OTHER)
    assert fetched(given(remote, OTHER_DIGEST)).path.read_bytes() == OTHER
    web.files.clear()
    assert fetched(remote).path.read_bytes() == CONTENT
    assert fetched(given(remote, OTHER_DIGEST)).path.read_bytes() == OTHER


def test_a_removed_entry_has_the_address_asked_again_though_its_old_contents_are_here(web: Any, remote: Remote) -> None:
    fetched(remote)
    web.serve(FILE, OTHER)
    assert fetched(remote).sha256 == DIGEST
    lock_file().write_text("{}")
    assert fetched(remote).path.read_bytes() == OTHER
    assert json.loads(lock_file().read_text())[remote.address]["sha256"] == OTHER_DIGEST


def test_a_file_damaged_in_the_cache_is_fetched_again(web: Any, remote: Remote) -> None:
    fetched(remote)
    remote.place.write_bytes(b"damaged")
    assert fetched(remote).path.read_bytes() == CONTENT
    assert len(web.asked) == 2


def test_a_transfer_that_breaks_off_goes_on_where_it_ended(web: Any, remote: Remote) -> None:
    web.files[FILE].breaks_after = [20 * CHUNK, 10 * CHUNK + 5]
    assert fetched(remote).sha256 == DIGEST
    assert web.asked == [(FILE, None), (FILE, f"bytes={20 * CHUNK}-"), (FILE, f"bytes={30 * CHUNK}-")]


def test_what_a_stopped_command_had_is_gone_on_with_by_the_next(
    web: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, write = [], downloading._Stream.write

    def interrupted(stream: Any, data: bytes) -> None:
        write(stream, data)
        written.append(data)
        if len(written) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(downloading._Stream, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetched(remote)
    had = 7 * CHUNK
    assert left_of(remote) == ["part", "tag", "w.safetensors.part"]
    assert (remote.place.parent / "w.safetensors.part" / "part").stat().st_size == had
    assert fetched(remote).sha256 == DIGEST
    assert web.asked[1:] == [(FILE, f"bytes={had}-")]
    assert left_of(remote) == ["w.safetensors"]


@pytest.mark.parametrize("how", ["other contents", "a server without ranges", "a server without tags", "shorter"])
def test_parts_of_two_files_are_never_put_together(web: Any, remote: Remote, how: str) -> None:
    part = remote.place.with_name("w.safetensors.part")
    part.mkdir(parents=True)
    (part / "part").write_bytes(b"of another file" * 1000)
    (part / "tag").write_text('"another"' if how != "shorter" else web.files[FILE].tag)
    if how == "a server without ranges":
        web.files[FILE].knows_ranges = False
    if how == "a server without tags":
        (part / "tag").write_text("")
        web.files[FILE].headers = {"ETag": ""}
    if how == "shorter":
        (part / "part").write_bytes(bytes(len(CONTENT) + 1))
    assert fetched(remote).path.read_bytes() == CONTENT


def test_without_a_network_the_line_names_the_file_its_hash_and_its_place(homes: Path) -> None:
    remote = parsed("https://localhost:9/w.safetensors")
    instead = f"put w.safetensors at {remote.place}, or name a file that is here"
    line = f"{remote.address}: cannot be fetched (Connection refused); {instead}"
    assert refused(remote) == line
    place = given(remote, DIGEST).place
    with_hash = line.replace("put w.safetensors", f"put w.safetensors (SHA-256 {DIGEST})")
    with_hash = with_hash.replace(str(remote.place), str(place))
    assert refused(given(remote, DIGEST)) == with_hash
    place.write_bytes(OTHER)
    assert refused(given(remote, DIGEST)) == with_hash.replace(
        str(place), f"{place}; what lies there now holds something else"
    )
    remote.place.write_bytes(CONTENT)
    assert fetched(given(remote, DIGEST)).path == remote.place
    assert fetched(remote).origin.endswith(f"pinned in {lock_file()}: SHA-256 {DIGEST}")
    assert remote.place == homes / "cache" / "i2i" / "weights" / remote.place.parent.name / "w.safetensors"


def test_a_host_that_nobody_knows_is_told_as_the_system_does(homes: Path) -> None:
    assert "cannot be fetched (" in refused(parsed("https://no-such-host.invalid/w.safetensors"))


def test_a_certificate_that_nobody_vouches_for_is_refused(
    web: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "certificate verify failed" in refused(remote)
    assert web.asked == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"status": 404}, "HTTP Error 404: Not Found"),
        ({"status": 503}, "HTTP Error 503: Service Unavailable"),
        ({"headers": {"Content-Type": "text/html; charset=x"}}, "the server answers with a web page, not with a file"),
        ({"headers": {"Content-Length": str(10**11)}}, "larger than 20 GB, which no weights file should be"),
        ({"status": 302, "headers": {"Location": "http://a/w"}}, "http://a/w, which is not protected by https"),
        ({"status": 206, "headers": {"Content-Range": "bytes 9-99/100"}}, "answers with another part of the file"),
        ({"breaks_after": [0]}, "(IncompleteRead(0 bytes read, 3000000 more expected))"),
    ],
)  # fmt: skip
def test_what_a_server_answers_instead_is_told(web: Any, remote: Remote, how: dict[str, Any], reason: str) -> None:
    web.serve(FILE, CONTENT, **how)
    assert reason in refused(remote)
    assert not remote.place.exists()
    assert not lock_file().exists()


def test_a_full_disk_is_told_before_anything_is_fetched(
    web: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(Path.cwd())._replace(free=2_000_000)
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda path: usage)
    assert "2 MB are free, it takes 3 MB" in refused(remote)


def test_a_stream_without_end_is_ended(web: Any, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "LIMIT_BYTES", 2_000_000)
    web.files[FILE].headers = {"Content-Length": ""}
    assert "larger than 0 GB" in refused(remote)


def test_redirects_to_protected_places_are_followed(web: Any, remote: Remote) -> None:
    web.serve("/latest.safetensors", status=302, headers={"Location": FILE})
    assert fetched(parsed(web.url("/latest.safetensors"))).sha256 == DIGEST


def test_several_at_once_fetch_once(web: Any, remote: Remote) -> None:
    found: list[Fetched] = []
    threads = [threading.Thread(target=lambda: found.append(fetched(remote))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.sha256 for one in found] == [DIGEST] * 4
    assert len(web.asked) == 1
    assert list(json.loads(lock_file().read_text())) == [remote.address]


def test_pins_of_several_addresses_stand_side_by_side_and_sorted(homes: Path) -> None:
    addresses = [f"https://host/{name}.safetensors" for name in ("c", "a", "b")]
    for address in addresses:
        pin(address, Pin(DIGEST, 3, "2026-11-22", "main"))
    assert list(json.loads(lock_file().read_text())) == sorted(addresses)
    assert pinned(addresses[0]) == Pin(DIGEST, 3, "2026-11-22", "main")
    with pytest.raises(I2IError, match=f"another process pinned SHA-256 {DIGEST} just now, this one found 0{{64}}"):
        pin(addresses[0], Pin("0" * 64, 3, "2026-11-22"))


def test_a_lock_file_that_is_never_free_is_told(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.hub.pins.WAIT_SECONDS", 0.0)
    with (
        alone(lock_file().with_name(".weights.lock.json.writing"), 0),
        pytest.raises(I2IError, match="another process has been writing it for 0 s"),
    ):
        pin("https://host/w.safetensors", Pin(DIGEST, 3, "2026-11-22"))
    assert not lock_file().exists()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"https://x": 3}', '{"https://x": {}}', '{"https://x": {"sha256": "ab"}}']
)
def test_a_damaged_lock_file_is_one_line(remote: Remote, text: str) -> None:
    lock_file().parent.mkdir(parents=True)
    lock_file().write_text(text)
    assert refused(remote) == (
        f"{lock_file()}: damaged, so what addresses held is not known; mend it, or remove it, and what is fetched next "
        "is pinned anew"
    )


def test_where_nothing_can_be_written_the_line_says_what_does_without(web: Any, remote: Remote, homes: Path) -> None:
    (homes / "config").write_text("a file")
    (homes / "cache").write_text("a file")
    assert "Not a directory" in refused(remote)
    (homes / "cache").unlink()
    assert refused(given(remote, "0" * 64)).endswith("as given")
    assert fetched(given(remote, DIGEST)).path.read_bytes() == CONTENT
    assert f"to do without it give the address with #sha256={DIGEST}" in refused(remote)
