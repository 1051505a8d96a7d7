"""Writes one comment on a pull request, or brings the one that it wrote before up to date.

    comment.py PAGE --key=gate --author='github-actions[bot]' [--pull-request=7]

The comment is found again by its first line, `<!-- regress gate: KEY -->`, and its author: others may
quote that line. The token comes in GATE_TOKEN, all else in the variables that every job has. A comment
is a courtesy: what keeps it from being written is a warning, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from github import Failed, GitHub

LONGEST = 65_000  # GitHub refuses more than 65,536 characters
PER_PAGE, MOST_PAGES = 100, 100


def main() -> int:
    """Write the comment, or say why there is none."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("page", type=Path)
    parser.add_argument("--key", required=True, type=key)
    parser.add_argument("--author", required=True)
    parser.add_argument("--pull-request", default="")
    parser.add_argument("--timeout", type=float, default=20.0)
    parser.add_argument("--pause", type=float, default=2.0)
    options = parser.parse_args()
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    number = options.pull_request or number_of(event)
    if not re.fullmatch("[0-9]+", number):
        print(f"::notice::No comment: {one_line(number) or 'what started this job'} is no pull request.")
        return 0
    marker = f"<!-- regress gate: {options.key} -->"
    body = body_of(marker, options.page.read_text(encoding="utf-8"), footer(event))
    try:
        print(publish(GitHub(options.timeout, options.pause), number, marker, body, options.author))
    except Failed as failed:
        print(f"::warning::No comment on pull request {number}: {one_line(str(failed))}.")
    return 0


def key(text: str) -> str:
    """Letters, digits and . _ - only: the marker must end where it ends."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise argparse.ArgumentTypeError("may have letters, digits and . _ -, at most 64 of them")
    return text


def number_of(event: dict[str, Any]) -> str:
    """The pull request that started the job; empty if none did."""
    issue = event.get("issue") or {}
    asked = event.get("pull_request") or (issue if issue.get("pull_request") else {})
    return str(asked.get("number", ""))


def footer(event: dict[str, Any]) -> str:
    """Which commit the verdict is about, and where its log is; the page says where the reports are."""
    given = {
        name: os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID", "SHA")
    }
    head = ((event.get("pull_request") or {}).get("head") or {}).get("sha") or given["SHA"]
    run = f"{given['SERVER_URL']}/{given['REPOSITORY']}/actions/runs/{given['RUN_ID']}"
    return f"<sub>Commit {head[:12]} · [log]({run})</sub>\n"


def body_of(marker: str, page: str, end: str) -> str:
    """The whole comment; a page that is too long loses whole lines at its end, and says so."""
    room = LONGEST - len(f"{marker}\n\n{end}")
    if len(page) > room:
        cut = "\n\n… The rest is in the step summary.\n"
        page = page[: room - len(cut)].rpartition("\n")[0] + cut
    return f"{marker}\n{page}\n{end}"


def publish(github: GitHub, number: str, marker: str, body: str, author: str) -> str:
    """Update what `author` wrote under `marker`, else write it; the answer says which it was."""
    for page in range(1, MOST_PAGES + 1):
        found = github.call("GET", f"/issues/{number}/comments?per_page={PER_PAGE}&page={page}")
        for comment in found:
            first = (comment["body"] or "").partition("\n")[0].strip()
            if first == marker and (comment["user"] or {}).get("login") == author:
                github.call("PATCH", f"/issues/comments/{comment['id']}", body)
                return f"Updated comment {comment['id']} on pull request {number}."
        if len(found) < PER_PAGE:
            break
    written = github.call("POST", f"/issues/{number}/comments", body)
    if (writer := written["user"]["login"]) != author:
        return f"::warning::The comment is by {writer}, whom comment-author has to name to update it later."
    return f"Wrote comment {written['id']} on pull request {number}."


def one_line(text: str) -> str:
    """`text` as what a command to the runner may carry."""
    return " ".join(text.split()).replace("%", "%25")


if __name__ == "__main__":
    sys.exit(main())
