import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from i2i import features
from i2i.errors import I2IError
from i2i.features import FeatureOptions, FixedFeatureOptions, build_features
from i2i.features.published import Published

CONTENTS = b"weights, as far as a download can tell" * 1000
DIGEST = hashlib.sha256(CONTENTS).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200 if self.path == "/net-1.pth" else 404)
        self.send_header("Content-Length", str(len(CONTENTS)))
        self.end_headers()
        self.wfile.write(CONTENTS)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def published(server, name="net-1.pth", sha256=DIGEST):
    return Published(url=f"http://127.0.0.1:{server.server_port}/{name}", sha256=sha256, megabytes=1)


def test_a_file_is_fetched_once_and_kept_where_torchvision_keeps_its_own(server, cache):
    file = published(server)
    assert not file.is_here
    assert file.fetched("nothing") == cache / "net-1.pth"
    assert (cache / "net-1.pth").read_bytes() == CONTENTS
    assert file.is_here
    file.fetched("nothing")
    assert server.asked == ["/net-1.pth"]


def test_the_cache_is_torchs_own(monkeypatch, tmp_path):
    file = Published(url="https://example.org/net-1.pth", sha256="", megabytes=1)
    assert file.cached == Path(torch.hub.get_dir()) / "checkpoints" / "net-1.pth"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert file.cached == Path(torch.hub.get_dir()) / "checkpoints" / "net-1.pth"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert file.cached == Path(torch.hub.get_dir()) / "checkpoints" / "net-1.pth"


def test_a_download_with_another_hash_is_refused_and_not_kept(server, cache):
    with pytest.raises(I2IError, match=r"fetched \(its SHA-256 is .*, not 0{64}\); put net-1.pth .* at .*, or nothing"):
        published(server, sha256="0" * 64).fetched("nothing")
    assert list(cache.iterdir()) == []


def test_a_file_that_the_server_lacks_says_what_to_provide(server, cache):
    with pytest.raises(I2IError) as caught:
        published(server, name="net-2.pth").fetched("name another")
    url = f"http://127.0.0.1:{server.server_port}/net-2.pth"
    assert str(caught.value) == (
        f"{url}: cannot be fetched (HTTP Error 404: Not Found); put net-2.pth (1 MB, SHA-256 {DIGEST}) at "
        f"{cache / 'net-2.pth'}, or name another"
    )


def test_a_damaged_file_in_the_cache_is_named(server, cache):
    cache.mkdir(parents=True)
    (cache / "net-1.pth").write_bytes(b"half a download")
    with pytest.raises(I2IError, match=r"net-1.pth: not the published file \(its SHA-256 is .*\); remove it, or put"):
        published(server).fetched("nothing")
    assert server.asked == []


def test_without_a_network_the_line_names_url_file_place_and_alternatives(monkeypatch, cache):
    monkeypatch.setattr(features, "VGG19", Published(url="http://127.0.0.1:9/vgg19.pth", sha256="ab", megabytes=575))
    monkeypatch.setattr("i2i.features.vgg.VGG19Features.published", features.VGG19)
    with pytest.raises(I2IError) as caught:
        build_features(FeatureOptions(use="vgg19")).prepare()
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("http://127.0.0.1:9/vgg19.pth: cannot be fetched (Connection refused)")
    assert text.endswith(
        f"put vgg19.pth (575 MB, SHA-256 ab) at {cache / 'vgg19.pth'}, or name another file with features.weights, or "
        "do without any with features.use=learned"
    )


def test_without_anything_to_learn_from_random_features_are_what_needs_no_weights(cache, monkeypatch):
    monkeypatch.setattr("i2i.features.vgg.VGG19Features.published", Published("http://127.0.0.1:9/v.pth", "ab", 575))
    with pytest.raises(I2IError, match=r"with features\.weights, or do without any with features\.use=random$"):
        build_features(FixedFeatureOptions(use="vgg19")).prepare()
    assert FixedFeatureOptions().use == "random"
    (cache / features.SQUEEZENET.name).write_bytes(b"")
    assert FixedFeatureOptions().use == "squeezenet1_1"
    (cache / features.VGG19.name).write_bytes(b"")
    assert FixedFeatureOptions().use == "vgg19"


def test_a_small_file_has_its_size_in_full():
    file = Published("http://127.0.0.1:9/heads.pth", "ab", 0.011)
    with pytest.raises(I2IError, match=r"put heads\.pth \(0\.011 MB, SHA-256 ab\) at "):
        file.fetched("nothing")


def test_trained_features_are_the_default_where_their_weights_are_here(cache):
    assert FeatureOptions().use == "learned"
    cache.mkdir(parents=True)
    (cache / features.VGG19.name).write_bytes(b"")
    assert FeatureOptions().use == "vgg19"
