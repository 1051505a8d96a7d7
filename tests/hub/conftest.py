"""A Hugging Face hub on the loopback interface, and the command line of somebody who uses it.

It answers what the hub's clients ask, with the hub's own headers: repository info, file trees, and
files by revision, large ones by redirection. Every request is written down.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

LARGE = (".safetensors", ".bin", ".parquet")
_INFO = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?")
_PATHS = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/paths-info/([^/]+)")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """Files by commit; the newest commit is `main`."""

    name: str
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def push(self, files: Mapping[str, bytes], ref: str = "main") -> str:
        """A new commit with these files only."""
        digest = hashlib.sha1(self.name.encode())
        for path, content in sorted(files.items()):
            digest.update(path.encode() + hashlib.sha1(content).digest())
        commit = digest.hexdigest()
        self.commits[commit] = dict(files)
        self.refs[ref] = commit
        return commit

    @property
    def main(self) -> str:
        return self.refs["main"]

    def commit(self, revision: str | None) -> str | None:
        if revision in self.commits:
            return revision
        return self.refs.get(unquote(revision or "main"))


def _sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": _sha1(content), "size": len(content), "path": path}
    if path.endswith(LARGE):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


class Hub:
    """The repositories, what was asked for, and the server."""

    def __init__(self) -> None:
        self.models: dict[str, Repository] = {}
        self.datasets: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.broken: int | None = None  # a status for every answer; 0 hangs up without one
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.cdn = f"http://localhost:{self._server.server_port}"  # another host, as the hub's is
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def model(self, name: str, *, gated: bool = False) -> Repository:
        return self.models.setdefault(name, Repository(name, gated=gated))

    def dataset(self, name: str) -> Repository:
        return self.datasets.setdefault(name, Repository(name))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def downloads(self) -> list[str]:
        """Files handed out, as `repository/path`."""
        found = [
            _FILE.fullmatch(line.removeprefix("GET ")) for line in self.requests if line.startswith("GET ")
        ]
        return [f"{match[2]}/{match[4]}" for match in found if match]


Answer = tuple[int, dict[str, str], bytes]


def _refused(status: int, code: str | None, message: str) -> Answer:
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return status, headers, json.dumps({"error": message}).encode()


def _json(value: Any) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _answer(hub: Hub, path: str, body: bytes) -> Answer:
    if hub.broken:
        return _refused(hub.broken, None, "not today")
    if path.startswith("/cdn/"):
        everything = [*hub.models.values(), *hub.datasets.values()]
        files = (
            content for repo in everything for commit in repo.commits.values() for content in commit.values()
        )
        wanted = path.removeprefix("/cdn/")
        return 200, {}, next(content for content in files if hashlib.sha256(content).hexdigest() == wanted)
    for pattern, verb in ((_INFO, _info), (_TREE, _tree), (_PATHS, _paths)):
        if match := pattern.fullmatch(path):
            return _about(
                hub.models if match[1] == "models" else hub.datasets, match[2], match[3], verb, match, body
            )
    if match := _FILE.fullmatch(path):
        return _about(hub.datasets if match[1] else hub.models, match[2], match[3], _file, match, body)
    return _refused(404, None, "Not Found")


def _about(known: Mapping[str, Repository], name: str, revision: str | None, verb: Any, *rest: Any) -> Answer:
    if (repository := known.get(name)) is None:
        return _refused(404, "RepoNotFound", "Repository not found")
    if (commit := repository.commit(revision)) is None:
        return _refused(404, "RevisionNotFound", "Invalid rev id")
    answer: Answer = verb(repository, commit, *rest)
    return answer


def _info(repository: Repository, commit: str, match: re.Match[str], body: bytes) -> Answer:
    about = {
        "id": repository.name,
        "modelId": repository.name,
        "sha": commit,
        "private": False,
        "disabled": False,
    }
    about |= {"gated": "manual" if repository.gated else False, "downloads": 0, "likes": 0, "tags": []}
    return _json(about | {"siblings": [{"rfilename": path} for path in sorted(repository.commits[commit])]})


def _tree(repository: Repository, commit: str, match: re.Match[str], body: bytes) -> Answer:
    prefix = f"{unquote(match[4])}/" if match[4] else ""
    inside = {
        path: content for path, content in repository.commits[commit].items() if path.startswith(prefix)
    }
    if match[4] and not inside:
        return _refused(404, "EntryNotFound", "Entry not found")
    folders = {
        str(parent) for path in inside for parent in Path(path).parents if str(parent) not in (".", match[4])
    }
    directories = [
        {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in sorted(folders)
    ]
    return _json(directories + [_entry(path, content) for path, content in sorted(inside.items())])


def _paths(repository: Repository, commit: str, match: re.Match[str], body: bytes) -> Answer:
    asked = json.loads(body)["paths"] if body.startswith(b"{") else []
    files = repository.commits[commit]
    return _json([_entry(path, files[path]) for path in asked if path in files])


def _file(repository: Repository, commit: str, match: re.Match[str], body: bytes) -> Answer:
    path, headers = unquote(match[4]), {"X-Repo-Commit": commit}
    if repository.gated:
        return _refused(403, "GatedRepo", "Access to this model is restricted.")
    if (content := repository.commits[commit].get(path)) is None:
        status, more, message = _refused(404, "EntryNotFound", "Entry not found")
        return status, headers | more, message
    if not path.endswith(LARGE):
        return 200, headers | {"ETag": f'"{_sha1(content)}"'}, content
    digest = hashlib.sha256(content).hexdigest()
    linked = {
        "X-Linked-ETag": f'"{digest}"',
        "X-Linked-Size": str(len(content)),
        "Location": f"/cdn/{digest}",
    }
    return 302, headers | linked, b""


def _handler(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            path = urlsplit(self.path).path
            hub.requests.append(f"{self.command} {path}")
            if hub.broken == 0:
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = _answer(hub, path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, f"{hub.cdn}{value}" if name == "Location" else value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = answer  # noqa: N815  (names that the base class looks for)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing; `Hub.requests` has it."""

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty hub."""
    opened = Hub()
    yield opened
    opened.close()


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The environment of a user with an empty home who asks the hub at `address`."""

    def make(address: str, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "REGRESS_", "XDG_"))
        }
        own = {
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HOME": str(tmp_path / "home"),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        return kept | own | more

    return make


@pytest.fixture
def regress(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `regress …` as a user does, in an empty folder."""

    def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "work").mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "regress", *arguments],
            cwd=tmp_path / "work",
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run
