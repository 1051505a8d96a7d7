"""What comparing and judging leave behind, in `reports/<old>..<new>/`.

report.md, comparison.json, comparison.csv of `regress compare`; report.html of `regress report`; gate.md,
gate.json, junit.xml of `regress gate`. In `reports/matrix/<first>..<last>/` matrix.html, matrix.json and a
picture a task of `regress matrix`; in `reports/layers/<model>/` layers.png, layers.json of `regress layers`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from regress.changes import LayerMaps
from regress.comparison.compared import Compared
from regress.errors import UsageError
from regress.findings import ModelDivergence, VersionMatrix
from regress.identity import numbered
from regress.store.runs import label_of
from regress.types import Comparison
from regress.views import divergence, export, markdown
from regress.views import layers as layer_maps
from regress.views.gate import export as gate_export
from regress.views.gate import junit
from regress.views.gate import markdown as gate_markdown
from regress.workflows.gate import Gated

if TYPE_CHECKING:
    from regress.views.html.page import Judgement

PAGE = "report.html"
"""The page."""

FILES: Mapping[str, str] = {"md": "report.md", "json": "comparison.json", "csv": "comparison.csv"}
"""What a comparison's files are called."""


def write_reports(
    comparison: Comparison,
    *,
    root: str | Path = "reports",
    with_text: bool = False,
    formats: Collection[str] = tuple(FILES),
    diverged: ModelDivergence | None = None,
) -> Path:
    """Write the comparison's files, each all or nothing, and return their folder.

    Args:
        comparison: What to write.
        root: The folder in which `<old>..<new>` is made.
        with_text: Whether the files may carry prompts and outputs; ids and counts only by default.
        formats: Which of `md`, `json` and `csv`.
        diverged: How far the two lie apart, where that was measured, for the first two.
    """
    fields = {"token_divergence": divergence.document(diverged)} if diverged else {}
    sections = divergence.section(diverged) if diverged else ()
    made: Mapping[str, Callable[[], str]] = {
        "md": lambda: markdown.render(comparison, with_text=with_text, beside=sections),
        "json": lambda: export.to_json(comparison, with_text, beside=fields),
        "csv": lambda: export.to_csv(comparison),
    }
    files = {FILES[name]: made[name]() for name in formats}
    return _write(_folder(root, comparison.old.name, comparison.new.name), files)


def write_page(
    comparison: Compared, judgement: Judgement, *, root: str | Path = "reports", with_text: bool = True
) -> Path:
    """Write report.html, all or nothing, and return where it lies.

    Args:
        comparison: What to write.
        judgement: What the gate says of it.
        root: The folder in which `<old>..<new>` is made.
        with_text: Whether the page may carry prompts, targets and outputs.
    """
    from regress.views.html.page import render  # its templates are of no use to other commands

    text = render(comparison, judgement, with_text=with_text)
    return _write(_folder(root, comparison.old.name, comparison.new.name), {PAGE: text}) / PAGE


def write_verdict(
    gated: Gated,
    *,
    root: str | Path = "reports",
    formats: Collection[str] = (),
    with_text: bool = False,
    artifact: str | None = None,
) -> Path:
    """Write the verdict's files, each all or nothing, and return their folder.

    Args:
        gated: What came of the gate.
        root: The folder in which `<old>..<new>` is made.
        formats: Which of `json`, `junit` and `md`.
        with_text: Whether gate.md may carry prompts and outputs; ids and counts only by default.
        artifact: Where the reports can be fetched, for the link in gate.md.
    """
    verdict, comparison, assumed = gated.verdict, gated.comparison, gated.assumed
    files = {}
    if "json" in formats:
        files["gate.json"] = gate_export.to_json(verdict, comparison, assumed=assumed)
    if "junit" in formats:
        files["junit.xml"] = junit.to_junit(verdict, comparison)
    if "md" in formats:
        files["gate.md"] = gate_markdown.render(
            verdict, comparison, with_text=with_text, assumed=assumed, artifact=artifact
        )
    return _write(_folder(root, comparison.old.name, comparison.new.name), files)


def write_matrix(matrix: VersionMatrix, *, root: str | Path = "reports") -> Path:
    """Write the page of several versions, its numbers and a picture a task; return their folder.

    Pictures are there where the extra `[report]` is installed; those of an earlier matrix are removed.

    Args:
        matrix: What to write.
        root: The folder in which `matrix/<first>..<last>` is made.
    """
    # neither templates nor figures are of use to other commands
    from regress.views.matrix import export as matrix_export
    from regress.views.matrix import page
    from regress.views.matrix.pictures import pictures

    drawn = pictures(matrix)
    names = numbered([label_of(task.task.name) for task in matrix.tasks])
    files = {"matrix.html": page.render(matrix, drawn), "matrix.json": matrix_export.to_json(matrix)}
    pngs = {f"matrix-{name}.png": one.png for name, one in zip(names, drawn, strict=True) if one is not None}
    folder = _folder(Path(root) / "matrix", matrix.versions[0].name, matrix.versions[-1].name)
    for stale in folder.glob("matrix-*.png"):
        with contextlib.suppress(OSError):
            stale.unlink()
    return _write(folder, {**files, **pngs})


def write_layers(found: LayerMaps, *, root: str | Path = "reports") -> Path:
    """Write the picture of layer maps, where the extra `[report]` is installed, and their numbers.

    Args:
        found: What to write.
        root: The folder in which `layers/<model>` is made.
    """
    drawn = layer_maps.picture(found)
    files = {"layers.json": layer_maps.to_json(found)}
    folder = Path(root) / "layers" / label_of(found.model)
    if drawn is None:  # one of other maps must not stand beside these numbers
        with contextlib.suppress(OSError):
            (folder / "layers.png").unlink(missing_ok=True)
    return _write(folder, files if drawn is None else {**files, "layers.png": drawn})


def clear_verdict(old: str, new: str, *, root: str | Path = "reports") -> None:
    """Remove the files of an earlier verdict, so that none stands there if the next cannot be made.

    Args:
        old: The old model, as it was called.
        new: The new model.
        root: The folder in which `<old>..<new>` is made.
    """
    for name in ("gate.json", "gate.md", "junit.xml"):
        with contextlib.suppress(OSError):  # where nothing can be written, writing says so
            (_folder(root, old, new) / name).unlink(missing_ok=True)


def _folder(root: str | Path, old: str, new: str) -> Path:
    return Path(root) / f"{label_of(old)}..{label_of(new)}"


def _write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            temporary = folder / f".{name}.{os.getpid()}"
            temporary.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
            temporary.replace(folder / name)
    except OSError as error:
        raise UsageError(
            f"reports cannot be written to {folder} ({error.strerror})", do="Name another folder with --out."
        ) from None
    return folder
