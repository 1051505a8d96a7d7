"""Which format a file or folder is in, and the runs in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regress.errors import DataError, RegressError
from regress.interop.every_eval_ever import reader as every_eval_ever
from regress.interop.exports import reader as exported
from regress.interop.inspect_ai_logs import reader as inspect_logs
from regress.interop.lm_eval_logs import reader as lm_eval_logs
from regress.interop.records import Reading, Source
from regress.interop.tables import reader as table

READERS = (lm_eval_logs, every_eval_ever, inspect_logs, exported, table)
"""In the order in which they are asked; the first that recognises a path reads it."""

FORMATS = (
    "lm-eval (samples_*.jsonl, or a folder with results_*.json), every_eval_ever (*.json with "
    "*_samples.jsonl), inspect_ai (*.json, *.eval), tables (*.csv, *.jsonl, *.parquet)"
)


def recognised(path: Path) -> bool:
    """Whether some reader takes `path`; cheap, and never an error."""
    return _is_still(path) and any(reader.recognises(path) for reader in READERS)


def _is_still(path: Path) -> bool:
    """Whether it is a file or folder, which can be read more than once, and no pipe or device."""
    return path.is_file() or path.is_dir()


def names_no_task(path: Path) -> bool:
    """Whether the format of `path` leaves it to the user which task its answers are to."""
    return next((reader for reader in READERS if reader.recognises(path)), None) in (exported, table)


def sources(path: Path, reading: Reading) -> Sequence[Source]:
    """The runs in a file or folder, one a model and task.

    Raises:
        DataError: If nothing is there, no reader knows the format, or it cannot be read.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}", allowed=FORMATS)
    if not _is_still(path):
        raise DataError(f"{path} is neither a file nor a folder", do="Save what comes out of it to a file.")
    for reader in READERS:
        if reader.recognises(path):
            found: Sequence[Source] = reader.sources(path, reading)
            if not found:
                raise DataError(f"{path} holds no answers")
            return found
    raise _unknown(path)


def _unknown(path: Path) -> RegressError:
    what = "folder" if path.is_dir() else "file"
    return DataError(f"the {what} {path} is in no format that can be imported", allowed=FORMATS)
