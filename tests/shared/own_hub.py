"""The part of the Hugging Face hub's interface that its own library uses to fetch and to publish files."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_of_a_test"


@dataclass
class Repository:
    """Branches point to commits; a commit holds files."""

    private: bool = False
    gated: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """A commit on top of a branch."""
        content = {**self.commits.get(self.branches.get(branch, ""), {}), **files}
        told = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in content.items()})
        name = hashlib.sha1(f"{branch} {len(self.commits)} {told}".encode()).hexdigest()
        self.commits[name] = content
        self.branches[branch] = name
        return name


class Hub(ThreadingHTTPServer):
    """`hub.repositories["me/x"]`; what was asked for is in `asked`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.breaks_after: list[int] = []
        """After how many bytes each of the next files breaks off."""
        self.fails_with: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, address: Any) -> None:
        """Of those who hang up: nothing."""


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.fails_with is not None:
            return self.answer(self.server.fails_with, {"error": "out of order"})
        parts = unquote(self.path.partition("?")[0]).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self.info("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        if "resolve" in parts:
            return self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return self.answer(404, {"error": "no such page"})

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid username or password."})
        parts = unquote(self.path.partition("?")[0]).strip("/").split("/")
        if parts[:2] == ["api", "validate-yaml"]:
            return self.answer(200, {"errors": [], "warnings": []})
        if parts == ["api", "repos", "create"]:
            return self.create(json.loads(said))
        if self.path.endswith("/info/lfs/objects/batch"):
            return self.batch("/".join(parts[:2]).removesuffix(".git"), json.loads(said))
        name, what, branch = "/".join(parts[2:4]), parts[4], "/".join(parts[5:])
        repository = self.server.repositories[name]
        if what == "branch":
            if branch in repository.branches:
                return self.answer(409, {"error": "Reference already exists"})
            repository.branches[branch] = repository.branches["main"]
            return self.answer(201, {})
        if what == "preupload":
            files = [{"path": one["path"], "shouldIgnore": False, "oid": None} for one in json.loads(said)["files"]]
            return self.answer(200, {"files": [one | {"uploadMode": _mode(one["path"])} for one in files]})
        return self.commit(name, branch, [json.loads(line) for line in said.splitlines()])

    def do_PUT(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.objects[hashlib.sha256(data).hexdigest()] = data
        self.answer(200, {})

    def create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        if name in self.server.repositories:
            return self.answer(
                409, {"error": "You already created this model repo", "url": f"{self.server.url}/{name}"}
            )
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        repository = self.server.repositories[name] = Repository(private)
        repository.commit("main", {".gitattributes": b""})
        return self.answer(200, {"url": f"{self.server.url}/{name}", "id": name, "name": name})

    def info(self, name: str, revision: str) -> None:
        repository = self.server.repositories.get(name)
        if repository is None:
            return self.answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        commit = repository.branches.get(revision)
        if commit is None:
            return self.answer(404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"})
        return self.answer(200, {"id": name, "sha": commit, "private": repository.private})

    def file(self, name: str, revision: str, path: str) -> None:
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not self.headers.get("Authorization")):
            return self.answer(401, {"error": "Invalid username"}, {"X-Error-Code": "RepoNotFound"})
        if repository.gated:
            return self.answer(403, {"error": f"Access to {name} is restricted"}, {"X-Error-Code": "GatedRepo"})
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            return self.answer(404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"})
        about = {"X-Repo-Commit": commit}
        content = repository.commits[commit].get(path)
        if content is None:
            return self.answer(404, {"error": "no such file"}, about | {"X-Error-Code": "EntryNotFound"})
        digest = hashlib.sha256(content).hexdigest()
        about |= {"ETag": f'"{digest}"', "X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        wanted, status = self.headers.get("Range"), 200
        if wanted:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            about["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self.server.asked.append(f"Range {wanted}")
            content, status = content[begin:], 206
        return self.answer(status, content, about)

    def batch(self, name: str, wanted: dict[str, Any]) -> None:
        found = []
        for one in wanted["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}", "header": {}}}
            found.append(one | ({} if one["oid"] in self.server.objects else {"actions": upload}))
        self.answer(200, {"transfer": "basic", "objects": found})

    def commit(self, name: str, branch: str, lines: list[dict[str, Any]]) -> None:
        repository, files = self.server.repositories[name], {}
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repository.branches[branch]):
            return self.answer(412, {"error": "A commit has happened since"})
        for line in lines[1:]:
            value = line["value"]
            lfs = line["key"] == "lfsFile"
            files[value["path"]] = self.server.objects[value["oid"]] if lfs else base64.b64decode(value["content"])
        done = repository.commit(branch, files)
        repository.messages.append(header["summary"])
        return self.answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{done}", "commitOid": done})

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(content, bytes) and self.server.breaks_after:
            body, self.close_connection = body[: self.server.breaks_after.pop(0)], True
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"


@contextmanager
def own_hub() -> Iterator[Hub]:
    """One that runs while the block does."""
    with Hub() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
