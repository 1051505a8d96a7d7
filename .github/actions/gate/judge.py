"""Runs `regress gate` for the action and says what came of it where readers of CI look.

Reads the inputs of the action from GATE_* variables, and writes

    the log            what the command printed, its lines never taken for commands to the runner
    the step summary   gate.md, or why there is no verdict
    the outputs        verdict, exit-code, sentence, page, and the paths of the reports

and exits with 0: a later step passes the gate's own exit code on, when everything is told.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

VERDICTS = {"pass": {0}, "fail": {1}, "not gateable": {2}, "undecided": {0, 3}}
INPUTS = ("OLD", "NEW", "OUT", "POLICY", "TASKS", "STORE", "WITH_TEXT", "COMMENT", "COMMENT_KEY", "COMMAND")
RUN = ("SERVER_URL", "REPOSITORY", "RUN_ID")
FILES = {"json": "gate.json", "markdown": "gate.md", "junit": "junit.xml"}
MEANING = {0: "passed", 1: "regression", 2: "could not be judged", 3: "undecided", 70: "a bug in regress"}
UNJUDGED = 2
LONGEST_ERROR = 4_000


class Unusable(Exception):
    """An input that cannot be meant, a command that is not there, or a verdict that it did not leave."""


def main() -> int:
    """Run the gate and tell its outcome."""
    try:
        code, errors, folder = run(command())
        document = read(folder, code) if folder else None
        if document is None and code in (0, 1, 3):
            raise Unusable(f"regress gate ended with exit code {code}, but left no verdict")
    except Unusable as unusable:
        print(f"regress gate: {unusable}")
        code, errors, folder, document = UNJUDGED, str(unusable), None, None
    tell(code, errors, folder if document else None, document)
    return 0


def command() -> list[str]:
    """What to run, from the inputs of the action.

    Raises:
        Unusable: If an input cannot be meant, or regress is not installed.
    """
    given = {name: os.environ.get(f"GATE_{name}", "").strip() for name in INPUTS}
    for name in ("OLD", "NEW", "OUT"):
        if not given[name] or given[name].startswith("-"):
            raise Unusable(f"the input {name.lower()} is {given[name]!r}, which is no model and no folder")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given["COMMENT_KEY"]):
        raise Unusable("the input comment-key may have letters, digits and . _ -, at most 64 of them")
    for name in ("WITH_TEXT", "COMMENT"):
        if given[name] not in ("true", "false"):
            shown = name.lower().replace("_", "-")
            raise Unusable(f"the input {shown} is {given[name]!r}, which is neither true nor false")
    if not given["COMMAND"]:
        raise Unusable("regress could not be installed; the log of that step says why")
    words = [given["COMMAND"], "gate", given["OLD"], given["NEW"], f"--out={given['OUT']}"]
    words += [f"--{name.lower()}={given[name]}" for name in ("POLICY", "TASKS", "STORE") if given[name]]
    words += ["--to=json,junit,md", *([f"--artifact={where}"] if (where := artifacts()) else [])]
    return [*words, *(["--with-text"] if given["WITH_TEXT"] == "true" else [])]


def artifacts() -> str:
    """Where what this run uploads can be fetched; empty where no runner says which run it is."""
    server, repository, run = (os.environ.get(f"GITHUB_{name}", "") for name in RUN)
    return f"{server}/{repository}/actions/runs/{run}#artifacts" if server and repository and run else ""


def run(words: list[str]) -> tuple[int, str, Path | None]:
    """The exit code, what went to standard error, and the folder that a verdict was written to."""
    before = stamps()
    done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace")
    mark = secrets.token_hex(16)  # nobody can guess it, so no line of the output is a command to the runner
    print(f"::stop-commands::{mark}\n{done.stdout}\n{done.stderr}\n::{mark}::", flush=True)
    written = [path for path, stamp in stamps().items() if before.get(path) != stamp]
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode  # as a shell has it
    return code, done.stderr, Path(written[0]).parent if len(written) == 1 else None


def stamps() -> dict[str, tuple[int, int]]:
    """Every verdict under OUT with what changes when it is written again."""
    found = Path(os.environ["GATE_OUT"].strip()).glob(f"*/{FILES['json']}")
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in found}


def read(folder: Path, code: int) -> dict[str, object] | None:
    """The verdict in `folder`; null unless it is whole and agrees with the exit code."""
    try:
        document = json.loads((folder / FILES["json"]).read_text(encoding="utf-8"))
        whole = code in VERDICTS[document["verdict"]] and bool(document["headline"])
        whole = whole and (folder / FILES["markdown"]).is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return document if whole else None


def tell(code: int, errors: str, folder: Path | None, document: dict[str, object] | None) -> None:
    """Write the step summary, the page for the comment, and the outputs."""
    page = (folder / FILES["markdown"]).read_text(encoding="utf-8") if folder else not_run(code, errors)
    with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as summary:
        summary.write(page.rstrip("\n") + "\n\n")
    handle, where = tempfile.mkstemp(prefix="regress-gate-", suffix=".md", dir=os.environ.get("RUNNER_TEMP"))
    with open(handle, "w", encoding="utf-8") as file:
        file.write(page)
    paths = {name: folder / file for name, file in FILES.items()} if folder else {}
    headline = document["headline"] if document else "the gate could not be run; its summary says why"
    outputs = {
        "verdict": document["verdict"] if document else "not gateable" if code == UNJUDGED else "",
        "exit-code": code,
        "sentence": f"{ended(code)}: {headline}".replace("%", "%25"),
        "page": where,
        "folder": folder or "",
        **{name: path if path.is_file() else "" for name, path in paths.items()},
    }
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as file:
        lines = {name: printable(str(value)).replace("\n", " ") for name, value in outputs.items()}
        file.writelines(f"{name}={line}\n" for name, line in lines.items())


def not_run(code: int, errors: str) -> str:
    """Why there is no verdict, as Markdown that nothing in `errors` can break out of.

    Only errors that regress raises on purpose are shown: they name fields, ids and counts, never answers.
    """
    head = f"## The gate could not be run\n\nThere is no verdict: {ended(code)}."
    if code != UNJUDGED:
        return f"{head} The log says more.\n"
    said = printable(errors).strip()
    said = said[max(said.rfind("\nregress: "), 0) :].strip()[:LONGEST_ERROR]  # without the progress before it
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", said))])
    return f"{head}\n\n{fence}text\n{said or 'It gave no reason.'}\n{fence}\n"


def ended(code: int) -> str:
    """An exit code and what it means."""
    return f"exit code {code}, {MEANING.get(code, 'broken off')}"


def printable(text: str) -> str:
    """`text` with every character that acts on a screen or hides there replaced."""
    return "".join(one if one in "\n\t" or unicodedata.category(one)[0] != "C" else "\ufffd" for one in text)


if __name__ == "__main__":
    sys.exit(main())
