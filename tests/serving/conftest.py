"""A server in this process, with models of which every answer is known."""

from __future__ import annotations

import http.client
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i import Catalog, discover

pytest.importorskip("fastapi", reason="i2i[serve] is not installed")

from i2i.serving.application import Serving
from i2i.serving.bounds import Bounds
from i2i.serving.choices import Choices
from i2i.serving.queue import Queue
from i2i.serving.server import answering, listening
from i2i.serving.shelf import Shelf
from i2i.serving.worker import work

HERE = Path(__file__).parent
PLUGINS = HERE.parent / "plugins"
FOLDERS = {"snail": HERE / "snail", **{name: PLUGINS / name for name in ("dots", "enlarger", "mender")}}
BOUNDARY = "x0x0x"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert self.status >= 400
        assert list(self.told) == ["error"]
        assert "\n" not in self.told["error"]
        return self.told["error"]

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.body))


@dataclass
class Client:
    """Talks to a server as `curl` would."""

    port: int
    serving: Serving
    folder: Path
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {**self.headers, **sent})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def send(self, settings: Any, *files: tuple[str, str, bytes], **headers: str) -> Answer:
        """A form of settings and of (part, file name, contents)."""
        text = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
        parts = [b'name="settings"\r\n\r\n' + text] if settings is not None else []
        parts += [f'name="{part}"; filename="{name}"\r\n\r\n'.encode() + data for part, name, data in files]
        start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
        body = b"".join(start + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()
        given = {"Content_Type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
        return self.ask("POST", "/api/jobs", body, **given)

    def wish(self, settings: Any) -> Answer:
        """New pictures."""
        return self.ask("POST", "/api/jobs", json.dumps(settings), Content_Type="application/json")

    def over(self, answer: Answer) -> dict[str, Any]:
        """The job once it is over."""
        assert answer.status == 201, answer.body
        told = self.get(f"/api/jobs/{answer.told['id']}?wait=20").told
        assert told["state"] in ("done", "failed", "cancelled"), told
        return told

    def until(self, job: str, state: str) -> dict[str, Any]:
        """The job once it, or one of its pictures, is that far."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            told = self.get(f"/api/jobs/{job}").told
            if state in (told["state"], *(picture["state"] for picture in told["pictures"])):
                return told
            time.sleep(0.02)
        raise AssertionError(f"never {state}: {told}")


def png(size: tuple[int, int] = (12, 8), colour: Any = (200, 100, 0), mode: str = "RGB", form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, form)
    return stream.getvalue()


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A picture's file: `picture((12, 8), colour, mode, format)`."""
    return png


@pytest.fixture(scope="session")
def catalog() -> Iterator[Catalog]:
    """Of snail, dots, enlarger and mender alone."""
    before = list(sys.path)
    sys.path[:0] = map(str, FOLDERS.values())
    found = discover([EntryPoint(name, f"i2i_{name}", "i2i") for name in FOLDERS])
    assert not found.broken
    yield found
    sys.path[:] = before
    for module in [name for name in sys.modules if name.partition(".")[0] in {f"i2i_{plugin}" for plugin in FOLDERS}]:
        del sys.modules[module]


@pytest.fixture(scope="session")
def weights(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of dots and dots-both."""
    from i2i_dots.weights import save_weights

    folder = tmp_path_factory.mktemp("weights")
    return [save_weights(folder / f"{name}.safetensors", name) for name in ("dots", "dots-both")]


@pytest.fixture(scope="session")
def choices(catalog: Catalog, weights: list[Path]) -> Choices:
    return Choices(catalog, None, weights)


@pytest.fixture
def start(catalog: Catalog, choices: Choices, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """`start(Bounds(...), works=True)`: a server; where it does not work, jobs wait for good."""
    usual = choices
    with ExitStack() as ends:

        def begin(
            bounds: Bounds | None = None,
            works: bool = True,
            names: tuple[str, ...] = (),
            choices: Choices | None = None,
        ) -> Client:
            bounds, choices = bounds or Bounds(), choices or usual
            folder = tmp_path / "kept"
            folder.mkdir()
            serving, shelf = Serving(choices, Queue(folder, bounds), bounds), Shelf(catalog, bounds, "cpu")
            listener = listening("127.0.0.1", 0)
            worker = threading.Thread(target=work, args=(serving.queue, shelf), daemon=True)
            ends.callback(worker.join, 20) if works else None
            ends.enter_context(answering(serving, listener, names))
            ends.callback(serving.queue.close)
            if works:
                worker.start()
            return Client(listener.getsockname()[1], serving, folder)

        yield begin


@pytest.fixture
def client(start: Callable[..., Client]) -> Client:
    """A server with the usual bounds."""
    return start()
