"""The README does what it says: its commands and its Python run, its names exist, its map is the tree.

Every fenced block has an info string that says what becomes of it here; none is skipped in silence.

    sh           run, in order, in one folder that starts empty
    sh no-test   not run (minutes, a network, large models): parsed, and its make targets looked up
    python       run, in the same folder
    toml         read as a regress.toml, its gate as a policy
    yaml         a step of a workflow: the action and its inputs exist
    text         shown output
    (none)       the map of the tree

A `make` line is replaced by the command that the Makefile runs for it. The default lane runs all of
it on a few items, in this process; the slow one as a reader would.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from regress import cli
from regress.__main__ import main
from regress.config import load_config
from regress.workflows.policies import policy_of

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
KNOWN = {"sh", "sh no-test", "python", "toml", "yaml", "text", ""}


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    info: str
    line: int
    text: str


def fenced(markdown: str) -> Iterator[Block]:
    """The fenced blocks, in order; raises if one is not closed."""
    opened: tuple[str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(markdown.splitlines(), start=1):
        fence = re.fullmatch(r"\s*```(.*)", line)
        if opened is None and fence:
            opened, lines = (fence[1].strip(), number), []
        elif opened is not None and fence:
            assert not fence[1].strip(), f"line {number}: a block opens inside the one of line {opened[1]}"
            yield Block(*opened, "\n".join(lines))
            opened = None
        elif opened is not None:
            lines.append(line)
    assert opened is None, f"the block of line {opened} is not closed"


BLOCKS = list(fenced(README))


def commands(block: Block) -> list[list[str]]:
    """The words of each command, `make` lines as what the Makefile runs for them."""
    typed = [shlex.split(line, comments=True) for line in block.text.splitlines()]
    return [made(words) if words[0] == "make" else words for words in typed if words]


def made(words: list[str]) -> list[str]:
    """The last command that `make` would run, without the set-up."""
    dry = ["make", "--no-print-directory", "-C", str(ROOT), "-n", "-o", "setup", *words[1:]]
    done = subprocess.run(dry, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    run = shlex.split(done.stdout.strip().splitlines()[-1], comments=True)
    while re.fullmatch(r"\w+=\S*", run[0]):  # variables before the command
        run = run[1:]
    return [run[0].replace(".venv/bin/", ""), *run[1:]]


# ── what it holds ────────────────────────────────────────────────────────────────────────────────


def test_every_block_says_what_it_is() -> None:
    unknown = [f"line {block.line}: {block.info!r}" for block in BLOCKS if block.info not in KNOWN]
    assert not unknown
    assert {"sh", "python", ""} <= {block.info for block in BLOCKS}, "commands, Python and the map"


def test_the_first_command_is_the_one_that_a_fresh_machine_needs() -> None:
    first = next(block for block in BLOCKS if block.info == "sh")
    assert first.text.split("#")[0].strip() == "make compare"
    assert commands(first) == [["regress", "compare", "demo-v1", "demo-v2"]]


def runnable() -> list[Block]:
    return [block for block in BLOCKS if block.info in ("sh", "python")]


def test_commands_and_python_run_on_a_few_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, with few items and short answers by a regress.toml in the current directory."""
    few = "[defaults]\nlimit = 2\nmax_gen_toks = 8\n[gate.default]\nminimum_n = 1\n"
    (tmp_path / "regress.toml").write_text(few, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    for block in runnable():
        if block.info == "python":
            exec(compile(block.text, f"README.md:{block.line}", "exec"), {})
            continue
        for words in commands(block):
            assert words[0] == "regress", f"line {block.line}: {shlex.join(words)} is not run by this test"
            # two items are no evidence, and a gate says so
            expected = 2 if words[1] == "gate" and "--explain" not in words else 0
            assert main(words[1:]) == expected, f"line {block.line}: {shlex.join(words)}"


@pytest.mark.slow
@pytest.mark.models
def test_commands_and_python_run_as_a_reader_would_run_them(tmp_path: Path) -> None:
    """In a shell, in full."""
    for block in runnable():
        script = "\n".join(map(shlex.join, commands(block)))
        run = [sys.executable, "-c", block.text] if block.info == "python" else ["bash", "-euc", script]
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(tmp_path), **quiet}
        done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"line {block.line}: {done.stderr}"
    assert (tmp_path / "reports/demo-v1..demo-v2/report.md").exists()


def test_commands_that_are_not_run_can_at_least_be_parsed() -> None:
    for block in BLOCKS:
        if block.info == "sh no-test":
            for words in commands(block):
                if words[0] == "regress":
                    assert cli._parser().parse_args(words[1:]).command
                else:
                    assert words[0] in ("python", "ruff", "mypy", "lint-imports", "pip", "make"), words


def test_configuration_is_accepted(tmp_path: Path) -> None:
    for block in BLOCKS:
        if block.info == "toml":
            (tmp_path / "regress.toml").write_text(block.text, encoding="utf-8")
            config = load_config(start=tmp_path)
            assert config.path == tmp_path / "regress.toml"
            config.settings()
            policy_of(None, config)


def test_the_action_that_it_names_takes_these_inputs() -> None:
    (step,) = yaml.safe_load(next(block.text for block in BLOCKS if block.info == "yaml"))
    folder = re.fullmatch(r"OWNER/regress/([\w./-]+)@main", step["uses"])[1]
    action = yaml.safe_load((ROOT / folder / "action.yml").read_text(encoding="utf-8"))
    assert set(step["with"]) <= set(action["inputs"])


# ── what it names ────────────────────────────────────────────────────────────────────────────────


def prose() -> str:
    """The text outside the fenced blocks."""
    return re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)


def test_options_that_it_names_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"--yes", "--all", "--help", "--version"}
    for action in cli._parser()._subparsers._group_actions:  # type: ignore[union-attr]
        for parser in action.choices.values():  # type: ignore[union-attr]
            known |= set(parser._option_string_actions)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose()))
    assert named
    assert not named - known


def test_files_that_it_names_exist() -> None:
    named = re.findall(r"`((?:regress|tests|tasks|reports)/[\w./-]+\.\w+)`", README)
    written_at_run_time = ("reports/",)
    missing = [n for n in named if not n.startswith(written_at_run_time) and not (ROOT / n).exists()]
    assert not missing


def test_the_map_is_the_tree() -> None:
    """Every path on it exists; every folder at the top, and all that lies in the package, is on it."""
    top, inside = mapped()
    assert [name for name in top if not (ROOT / name).exists() and name != "reports"] == []
    assert [name for name in inside if not (ROOT / "regress" / name).exists()] == []
    assert folders_at_the_top() - top == set()
    package = (ROOT / "regress").iterdir()
    rooms = {path.name for path in package if path.name not in ("__init__.py", "__pycache__", "py.typed")}
    assert rooms - inside == set()


def folders_at_the_top() -> set[str]:
    """Those that belong to the project; without git to say so, all that are not hidden."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    tracked = {line.partition("/")[0] for line in done.stdout.splitlines() if "/" in line}
    there = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"__pycache__", "build", "dist"}
    return {name for name in (there & tracked if tracked else there) if name[0] != "."}


def mapped() -> tuple[set[str], set[str]]:
    """Names at the top of the tree, and names inside the package, as the map has them."""
    (block,) = [b for b in BLOCKS if b.info == "" and re.search(r"^regress/", b.text, re.MULTILINE)]
    top: set[str] = set()
    inside: set[str] = set()
    for line in block.text.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split()
        (inside if line.startswith(" ") else top).update(name.rstrip("/") for name in names)
    return top, inside
