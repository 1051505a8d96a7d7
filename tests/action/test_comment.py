"""The comment: found again, brought up to date, and never in the way of the verdict."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".github" / "actions" / "gate" / "comment.py"
MARKER = "<!-- regress gate: gate -->"
TOKEN = "ghs_TheSecretOfThisTest"
BOT = "github-actions[bot]"
FOOTER = "<sub>Commit 0123456789ab · [log](https://github.example/o/r/actions/runs/42)</sub>\n"

Comment = Callable[..., str]


@pytest.fixture
def comment(tmp_path: Path, environment: dict[str, str]) -> Comment:
    """Run the script on a page and return what it printed; it always ends with 0 unless `code` is given."""

    def call(page: str = "## A verdict\n", *, code: int = 0, token: str = TOKEN, **options: str) -> str:
        (tmp_path / "page.md").write_text(page, encoding="utf-8")
        given = {"key": "gate", "author": BOT, "pause": "0"} | options
        words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path / "page.md"), *words],
            env={**environment, "GATE_TOKEN": token},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        assert TOKEN not in done.stdout
        return done.stdout

    return call


def test_a_pull_request_without_the_comment_gets_one(comment: Comment, github: Any) -> None:
    assert comment() == "Wrote comment 1000 on pull request 7.\n"
    assert github.comments[0]["body"] == f"{MARKER}\n## A verdict\n\n{FOOTER}"
    assert github.tokens == {f"Bearer {TOKEN}"}


def test_the_comment_that_is_there_is_updated(comment: Comment, github: Any) -> None:
    mine = github.holds(f"{MARKER}\r\nolder\r\n")
    assert comment() == "Updated comment 1000 on pull request 7.\n"
    assert "A verdict" in mine["body"]
    assert github.methods == ["GET", "PATCH"]


@pytest.mark.parametrize("before", [99, 100, 101, 250])
def test_the_comment_is_found_behind_many_others(comment: Comment, github: Any, before: int) -> None:
    for i in range(before):
        github.holds(f"comment {i}", "somebody")
    mine = github.holds(f"{MARKER}\nolder")
    comment()
    assert "A verdict" in mine["body"]
    assert len(github.comments) == before + 1


@pytest.mark.parametrize("there", [0, 1, 99, 100, 101, 200])
def test_the_last_page_is_known_from_its_length(comment: Comment, github: Any, there: int) -> None:
    for i in range(there):
        github.holds(f"comment {i}", "somebody")
    comment()
    assert github.methods == ["GET"] * (there // 100 + 1) + ["POST"]


@pytest.mark.parametrize(
    ("body", "author"),
    [
        (f"{MARKER}\nforged", "somebody"),
        (f"> {MARKER}\n\nwhat is this?", "somebody"),
        (f"another tool quotes\n{MARKER}", BOT),
        (f"> {MARKER}", BOT),
        ("<!-- regress gate: gate-2 -->\nanother gate", BOT),
        (f"{MARKER}\nby an account that is gone", None),
        (None, BOT),
        ("", BOT),
    ],
)
def test_no_other_comment_is_touched(
    comment: Comment, github: Any, body: str | None, author: str | None
) -> None:
    other = github.holds(body, author)
    comment()
    assert other["body"] == body
    assert github.methods == ["GET", "POST"]


def test_whom_the_token_writes_as_can_be_said(comment: Comment, github: Any) -> None:
    github.writer = "our-app[bot]"
    assert (
        comment()
        == "::warning::The comment is by our-app[bot], whom comment-author has to name to update it later.\n"
    )
    assert comment(author="our-app[bot]") == "Updated comment 1000 on pull request 7.\n"
    assert len(github.comments) == 1


# ── which pull request ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "event",
    [{"ref": "refs/heads/main"}, {"issue": {"number": 7}}, {"pull_request": None}],
    ids=["push", "issue", "null"],
)
def test_without_a_pull_request_there_is_no_comment_and_no_harm(
    comment: Comment, github: Any, tmp_path: Path, event: dict[str, Any]
) -> None:
    (tmp_path / "event.json").write_text(json.dumps(event))
    assert comment() == "::notice::No comment: what started this job is no pull request.\n"
    assert github.requests == []


def test_a_comment_on_a_pull_request_names_it_too(comment: Comment, github: Any, tmp_path: Path) -> None:
    event = {"issue": {"number": 7, "pull_request": {"url": "x"}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    comment()
    assert "Commit fedcba987654 " in github.comments[0]["body"]


def test_a_number_that_is_given_wins(comment: Comment, github: Any, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 8}}')
    assert comment(pull_request="7") == "Wrote comment 1000 on pull request 7.\n"


def test_a_number_that_is_none_is_never_asked_for(comment: Comment, github: Any) -> None:
    said = comment(pull_request="../../contents\n::error::x")
    assert said == "::notice::No comment: ../../contents ::error::x is no pull request.\n"
    assert github.requests == []


@pytest.mark.parametrize("key", ["", "a b", "--><h1>", "a\nb", "x" * 65])
def test_a_key_that_could_leave_its_marker_is_refused(comment: Comment, github: Any, key: str) -> None:
    assert "may have letters, digits and . _ -" in comment(key=key, code=2)
    assert github.requests == []


# ── what may go wrong ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_that_may_only_read_is_a_warning(comment: Comment, github: Any, method: str) -> None:
    """As on pull requests from forks."""
    github.answers[method] = (403, {}, '{"message": "Resource not accessible by integration"}')
    said = comment()
    assert said.startswith(f"::warning::No comment on pull request 7: GitHub answered {method} with 403: ")
    assert "from forks it is read-only by design" in said
    assert "pull-requests: write" in said
    assert github.methods.count(method) == 1


@pytest.mark.parametrize("headers", [{"x-ratelimit-remaining": "0"}, {"retry-after": "60"}])
def test_a_rate_limit_is_not_taken_for_a_fork(comment: Comment, github: Any, headers: dict[str, str]) -> None:
    github.answers["GET"] = (403, headers, "{}")
    assert "its rate limit is reached" in comment()


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "the token is not valid"), (404, "no such pull request"), (422, "Unprocessable")],
)
def test_other_refusals_are_named(comment: Comment, github: Any, status: int, said: str) -> None:
    github.answers["POST"] = (status, {}, "{}")
    text = comment()
    assert f"GitHub answered POST with {status}: " in text
    assert said in text


@pytest.mark.parametrize(("method", "times"), [("GET", 3), ("PATCH", 3), ("POST", 1)])
def test_what_may_pass_is_tried_again_but_never_a_post(
    comment: Comment, github: Any, method: str, times: int
) -> None:
    if method == "PATCH":
        github.holds(f"{MARKER}\nolder")
    github.answers[method] = (502, {}, "<html>Bad gateway</html>")
    assert f"GitHub answered {method} with 502: Bad Gateway." in comment()
    assert github.methods.count(method) == times


def test_silence_is_a_warning_that_says_how_long_was_waited(comment: Comment, github: Any) -> None:
    github.answers["POST"] = github.silence
    said = comment(timeout="0.3")
    assert said.startswith(
        "::warning::No comment on pull request 7: GitHub gave no usable answer to POST within 0.3 s"
    )
    assert "timed out" in said


def test_an_answer_that_is_no_json_is_a_warning(comment: Comment, github: Any) -> None:
    github.answers["GET"] = (200, {}, "<html>")
    assert "GitHub gave no usable answer to GET" in comment()


def test_nobody_there_is_a_warning(comment: Comment, environment: dict[str, str]) -> None:
    environment["GITHUB_API_URL"] = "http://127.0.0.1:9"
    assert "::warning::No comment on pull request 7: GitHub gave no usable answer to GET" in comment()


def test_the_token_follows_no_redirection(comment: Comment, github: Any) -> None:
    github.answers["GET"] = (302, {"Location": f"{github.url}/elsewhere"}, "")
    assert "GitHub answered GET with 302" in comment()
    assert {path.split("?")[0] for _, path in github.requests} == {"/repos/o/r/issues/7/comments"}


@pytest.mark.parametrize("token", ["", " ", f"{TOKEN}\nHost: evil", f"{TOKEN}\u00e9"])
def test_a_token_that_is_none_is_a_warning_that_does_not_show_it(
    comment: Comment, github: Any, token: str
) -> None:
    assert "the input token is empty, or holds more than a token" in comment(token=token)
    assert github.requests == []


# ── how long it is ───────────────────────────────────────────────────────────────────────────────


def test_a_page_of_any_length_becomes_a_comment_of_at_most_65000_characters(
    comment: Comment, github: Any
) -> None:
    comment("".join(f"| line {i} | ü |\n" for i in range(10_000)))
    body = github.comments[0]["body"]
    assert 64_900 < len(body) <= 65_000
    assert body.startswith(f"{MARKER}\n| line 0 | ü |\n")
    assert body.endswith(f" | ü |\n\n… The rest is in the step summary.\n\n{FOOTER}")


@pytest.mark.parametrize("more", [0, 1])
def test_what_just_fits_is_shown_whole(comment: Comment, github: Any, more: int) -> None:
    page = "x\n" + "y" * (65_000 - len(f"{MARKER}\n\n{FOOTER}") - 2 + more)
    comment(page)
    body = github.comments[0]["body"]
    assert (page in body) is (more == 0)
    assert len(body) == 65_000 if more == 0 else len(body) < 65_000
