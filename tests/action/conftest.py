"""What stands around the action in these tests: a runner that does its steps, and a GitHub on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "actions" / "gate"
TOKEN = "ghs_TheSecretOfThisTest"
BOT = "github-actions[bot]"

# ── GitHub ───────────────────────────────────────────────────────────────────────────────────────


class FakeGitHub(ThreadingHTTPServer):
    """Comments of the pull requests of one repository, in memory.

    `answers` says what a method is answered with instead: (status, headers, body), or `silence`.
    """

    silence = (0, {}, "")

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.answers: dict[str, tuple[int, Mapping[str, str], str]] = {}
        self.writer = BOT
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def holds(self, body: str | None, author: str | None = BOT) -> dict[str, Any]:
        """Let `author` have written a comment."""
        user = {"login": author} if author else None
        comment = {"id": 1000 + len(self.comments), "body": body, "user": user}
        self.comments.append(comment)
        return comment

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    server: FakeGitHub

    def _answer(self) -> None:
        self.server.requests.append((self.command, self.path))
        self.server.tokens.add(self.headers.get("Authorization"))
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        status, headers, text = self.server.answers.get(self.command) or self._usual(given)
        if not status:
            self.server.over.wait(60)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _usual(self, given: Any) -> tuple[int, Mapping[str, str], str]:
        address = urlsplit(self.path)
        if self.command == "GET" and address.path == "/repos/o/r/issues/7/comments":
            size, page = (int(parse_qs(address.query)[name][0]) for name in ("per_page", "page"))
            return 200, {}, json.dumps(self.server.comments[(page - 1) * size : page * size])
        if self.command == "POST" and address.path == "/repos/o/r/issues/7/comments":
            return 201, {}, json.dumps(self.server.holds(given["body"], self.server.writer))
        for comment in self.server.comments:
            if self.command == "PATCH" and address.path == f"/repos/o/r/issues/comments/{comment['id']}":
                comment["body"] = given["body"]
                return 200, {}, json.dumps(comment)
        return 404, {}, '{"message": "Not Found"}'

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A GitHub that is stopped afterwards."""
    server = FakeGitHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(tmp_path: Path, github: FakeGitHub) -> dict[str, str]:
    """The variables that a job of pull request 7 has, and no others."""
    event = {"pull_request": {"number": 7, "head": {"sha": "0123456789abcdef"}}}
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    (tmp_path / "temp").mkdir()
    return {
        "PATH": os.defpath,
        "GITHUB_ACTION_PATH": str(FOLDER),
        "GITHUB_API_URL": github.url,
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "42",
        "GITHUB_SHA": "fedcba9876543210",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
    }


# ── the runner ───────────────────────────────────────────────────────────────────────────────────

# makes environments in which `regress` is the stand-in, and notes what pip is to install
PYTHON = """#!/bin/bash
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "{regress}" "$3/bin/regress" ;;
  "-m pip") printf '%s\\n' "${{@:3}}" > "{here}/pip.txt"; exit "$(cat "{here}/pip.code")" ;;
  *) exec "{python}" "$@" ;;
esac
"""

# writes down how it was called, and does what regress.json says
REGRESS = """#!{python}
import json, pathlib, signal, os, sys
here = pathlib.Path({here!r})
(here / "called.json").write_text(json.dumps(sys.argv[1:]))
(here / "environ.json").write_text(json.dumps(dict(os.environ)))
play = json.loads((here / "regress.json").read_text())
(out,) = [word.removeprefix("--out=") for word in sys.argv if word.startswith("--out=")]
for name, text in play.get("files", {{}}).items():
    path = pathlib.Path(out, "old..new", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
sys.stdout.write(play.get("out", ""))
sys.stderr.write(play.get("err", ""))
sys.stdout.flush()
if play["code"] < 0:
    os.kill(os.getpid(), -play["code"])
sys.exit(play["code"])
"""


@dataclass
class Job:
    """What came of the steps."""

    code: int = 0
    """The exit code of the last step that failed."""
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    uses: dict[str, dict[str, str]] = field(default_factory=dict)
    """What foreign actions were given."""
    ran: list[str] = field(default_factory=list)


class Runner:
    """Does the steps of the action as GitHub's runner would, as far as this action needs."""

    def __init__(self, here: Path, environment: Mapping[str, str]) -> None:
        self.here, self.environment = here, dict(environment)
        self.workspace = here / "workspace"
        self.workspace.mkdir()
        self.action = yaml.safe_load((FOLDER / "action.yml").read_text(encoding="utf-8"))
        self._script("regress", REGRESS.format(python=sys.executable, here=str(here)))
        self._script("python", PYTHON.format(python=sys.executable, here=here, regress=here / "regress"))
        self.pip_ends_with(0)

    def pip_ends_with(self, code: int) -> None:
        (self.here / "pip.code").write_text(str(code))

    def plays(
        self, code: int, verdict: str | None = None, *, page: str = "## A verdict\n", **play: Any
    ) -> None:
        """What the stand-in for regress does: its exit code, and the verdict that it writes."""
        document = {"schema": "regress.gate/1", "verdict": verdict, "headline": f"{verdict}: 100 % of it"}
        files = {"gate.json": json.dumps(document), "gate.md": page, "junit.xml": "<testsuites/>"}
        whole = {"code": code, "files": files if verdict else {}, **play}
        (self.here / "regress.json").write_text(json.dumps(whole))

    def really(self, folder: Path) -> None:
        """From now on, `regress` is ours, working in `folder`."""
        command = f'#!/bin/bash\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m regress "$@"\n'
        self._script("regress", command)
        self.workspace = folder

    @property
    def called(self) -> list[str]:
        """The words that regress was called with."""
        words: list[str] = json.loads((self.here / "called.json").read_text())
        return words

    @property
    def environ(self) -> dict[str, str]:
        """The variables that regress was called with."""
        variables: dict[str, str] = json.loads((self.here / "environ.json").read_text())
        return variables

    def __call__(self, **inputs: str) -> Job:
        """One job with one step that uses the action; `with_text` is the input `with-text`."""
        given = {name: str(one.get("default", "")) for name, one in self.action["inputs"].items()}
        given |= {"token": TOKEN, "old": "runs/old", "new": "runs/new"}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        self._known = {f"inputs.{name}": value for name, value in given.items()}
        job = Job()
        for step in self.action["runs"]["steps"]:
            if not self._wanted(step.get("if"), failed=job.code != 0):
                continue
            job.ran.append(step["name"])
            code = self._step(step, job)
            self._known[f"steps.{step.get('id')}.outcome"] = "failure" if code else "success"
            if code and not step.get("continue-on-error"):
                job.code = code
        outputs = self.action["outputs"].items()
        job.outputs = {name: self._filled(one["value"]) for name, one in outputs}
        summary = Path(self.environment["GITHUB_STEP_SUMMARY"])
        job.summary = summary.read_text(encoding="utf-8") if summary.exists() else ""
        return job

    def _step(self, step: Mapping[str, Any], job: Job) -> int:
        if "uses" in step:
            job.uses[step["uses"]] = {name: self._filled(str(one)) for name, one in step["with"].items()}
            if step.get("id") == "python":
                self._known["steps.python.outputs.python-path"] = str(self.here / "python")
            return 0
        told = self.here / "told.txt"
        told.write_text("")
        variables = {name: self._filled(value) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-euo", "pipefail", "-c", step["run"]],
            env={**self.environment, **variables, "GITHUB_OUTPUT": str(told)},
            cwd=self.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        job.log += done.stdout
        for line in told.read_text(encoding="utf-8").splitlines():
            name, sign, value = line.partition("=")
            assert sign, line
            self._known[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: self._known.get(found[1], ""), text)

    def _wanted(self, condition: str | None, *, failed: bool) -> bool:
        if condition is None:
            return not failed
        terms = condition.removeprefix("${{ ").removesuffix(" }}").split(" && ")
        assert terms[0] == "!cancelled()", condition
        for term in terms[1:]:
            found = re.fullmatch(r"(\S+) (==|!=) '(.*)'", term)
            assert found, term
            if (self._known.get(found[1], "") == found[3]) != (found[2] == "=="):
                return False
        return True

    def _script(self, name: str, text: str) -> None:
        path = self.here / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def action(tmp_path: Path, environment: dict[str, str]) -> Runner:
    """The action in a job of pull request 7, with a stand-in for regress that passes."""
    runner = Runner(tmp_path, environment)
    runner.plays(0, "pass")
    return runner
