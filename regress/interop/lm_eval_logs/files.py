"""Files that lm-eval writes: which results belong to which samples, and the rows in them.

Since 0.4.3, `results_<date>.json` and a `samples_<task>_<date>.jsonl` for each task lie in a folder named
after the model, inside the folder that was asked for; 0.4.0 to 0.4.2 wrote `results.json` and, one JSON
array each, `<model arguments>_<task>.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import DataError
from regress.interop.lines import LONGEST_LINE, json_file, json_lines, parse

_DATED = re.compile(r"(.+)_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)")
_HEAD = 1 << 16
_FIRST_ROW = re.compile(rb'\s*(?:\[\s*)?\{\s*"doc_id"\s*:\s*[^,{}\[\]]{1,40},\s*"doc"\s*:\s*\{')
_RESULTS = re.compile(rb'\s*\{\s*"results"\s*:\s*\{')


@dataclass(frozen=True)
class Samples:
    """One file of samples, and what its name and its neighbours tell."""

    path: Path
    """The file."""
    results: Path | None
    """The results of the same run; null if they are not there."""

    @property
    def task(self) -> str:
        """The task as the name of the file has it; empty if it does not."""
        name, _ = _dated(self.path)
        return name.removeprefix("samples_") if name.startswith("samples_") else ""


def is_samples(path: Path) -> bool:
    """Whether a file begins as lm-eval's samples do."""
    head = _head(path) if path.suffix in (".jsonl", ".json") else b""
    keys = b'"doc_id"' in head and b'"filtered_resps"' in head and head.lstrip()[:1] in b"{["
    return keys or _FIRST_ROW.match(head) is not None


def is_results(path: Path) -> bool:
    """Whether a file begins as lm-eval's results do."""
    return path.suffix == ".json" and _RESULTS.match(_head(path)) is not None


def samples_in(path: Path) -> list[Samples]:
    """The samples that a path stands for: itself, those of a results file, those in a folder or one below it.

    Raises:
        DataError: If there are results and no samples.
    """
    if path.is_dir():
        folders = [path, *sorted(one for one in path.iterdir() if one.is_dir())]
        files = [file for folder in folders for file in _samples_beside(folder)]
    elif is_samples(path):
        files = [path]
    else:
        _, date = _dated(path)
        files = [file for file in _samples_beside(path.parent) if _dated(file)[1] == date]
    if not files:
        raise DataError(
            f"{path.name} has results and no samples: lm-eval keeps answers only with --log_samples",
            do="Run it again with --log_samples.",
        )
    return [Samples(file, _results_beside(file)) for file in files]


def recognised(path: Path) -> bool:
    """Whether a file is lm-eval's, or a folder holds one that is."""
    if not path.is_dir():
        return is_samples(path) or is_results(path)
    folders = [path, *(one for one in path.iterdir() if one.is_dir())]
    return any(is_samples(file) or is_results(file) for folder in folders for file in folder.iterdir())


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row of a file of samples, and where it stands.

    Raises:
        DataError: If the file cannot be read, or a row is no JSON object, naming its line.
    """
    return _array(path) if _head(path).lstrip()[:1] == b"[" else json_lines(path)


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def _dated(path: Path) -> tuple[str, str]:
    """Name and date in the name of a file; the date is empty where it has none."""
    found = _DATED.fullmatch(path.stem)
    return (found[1], found[2]) if found else (path.stem, "")


def _samples_beside(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*.jsonl")) if is_samples(file)]


def _results_beside(samples: Path) -> Path | None:
    _, date = _dated(samples)
    there = [file for file in sorted(samples.parent.glob("*.json")) if _dated(file)[1] == date]
    found = [file for file in there if file != samples and is_results(file)]
    # files without a date need not be of one run
    return found[0] if len(found) == 1 else next((one for one in found if one.name == "results.json"), None)


def _head(path: Path) -> bytes:
    if not path.is_file():
        return b""
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return b""


# ── one JSON array ───────────────────────────────────────────────────────────────────────────────


def _array(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of an array; as lm-eval indents it, one at a time."""
    try:
        with open(path, "rb") as file:
            if file.readline(_HEAD).strip() == b"[" and file.readline(_HEAD).rstrip() == b"  {":
                yield from _indented(path, file)
                return
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    listed = json_file(path)
    for number, row in enumerate(listed if isinstance(listed, list) else (), start=1):
        if not isinstance(row, dict) or not row:
            raise DataError(f"row {number} of {path.name} is {str(row)[:40]!r}", allowed="JSON objects")
        yield f"row {number} of {path.name}", row


def _indented(path: Path, file: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows that begin and end on lines of their own, two spaces in: no text in them can look like that."""
    began, part, size, number = 2, [b"{"], 1, 2
    while line := file.readline(LONGEST_LINE + 1):
        number, size = number + 1, size + len(line)
        if size > LONGEST_LINE:
            raise DataError(f"{path.name}:{began} is longer than {LONGEST_LINE >> 20} MB")
        match line.rstrip():
            case b"  {":
                began, part, size = number, [b"{"], 1
            case b"  }" | b"  },":
                yield f"{path.name}:{began}", parse(f"{path.name}:{began}", b"".join(part) + b"}")
                part = []
            case b"]" if not part:
                return
            case _:
                part.append(line)
    raise DataError(
        f"{path.name} ends in line {number}, inside the row of line {began}: it seems to be cut off",
        do="Copy it again.",
    )
