"""What `regress compare` leaves behind: `reports/<old>..<new>/` with report.md, comparison.json and .csv."""

from __future__ import annotations

import os
from pathlib import Path

from regress.store.runs import label_of
from regress.types import Comparison
from regress.views import export, markdown


def write_reports(comparison: Comparison, *, root: str | Path = "reports", with_text: bool = False) -> Path:
    """Write the comparison's files, each all or nothing, and return their folder.

    Args:
        comparison: What to write.
        root: The folder in which `<old>..<new>` is made.
        with_text: Whether the files may carry prompts and outputs; ids and counts only by default.
    """
    folder = Path(root) / f"{label_of(comparison.old.name)}..{label_of(comparison.new.name)}"
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "report.md": markdown.render(comparison, with_text=with_text),
        "comparison.json": export.to_json(comparison, with_text),
        "comparison.csv": export.to_csv(comparison),
    }
    for name, text in files.items():
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / name)
    return folder
