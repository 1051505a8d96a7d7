r"""An engine that answers from a table: for tests, tutorials, and to try a gate without a model.

The table is a JSON Lines file, named where a model would be. Each row answers the requests that it
matches, by the whole prompt or by a piece of it (of several, the piece nearest the prompt's end,
so that few-shot examples do not match by mistake):

    {"prompt": "Question: 2 + 2?\nAnswer:", "text": " 4"}
    {"match": "2 + 2?", "text": " 4", "finish": "length"}
    {"match": "dresser", "continuation": " add a knob", "logprob": -3.5}
    {"match": "2 + 3?", "error": "timed out"}
    {"match": "", "text": " I do not know."}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regress.engines.base import Chat
from regress.errors import EngineError, RegressError, UnknownName
from regress.identity import file_hash
from regress.types import (
    EngineSpec,
    Generation,
    Logprob,
    ModelSpec,
    Request,
    Response,
    RollingLoglikelihood,
    TaskSpec,
    Text,
)

_KEYS = {"prompt", "match", "continuation", "text", "logprob", "finish", "error"}


class ScriptedEngine:
    """Answers from rows.

    Args:
        model: What the run is to say it ran.
        rows: The table; see the module's description.

    Raises:
        EngineError: If a row has unknown keys, or neither an answer nor an error.
    """

    chat: Chat | None = None

    def __init__(self, model: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> None:
        for number, row in enumerate(rows, 1):
            _check(row, f"row {number} of {model.source}")
        self.model = model
        self._whole: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if "prompt" in row:
                self._whole.setdefault(row["prompt"], []).append(row)
        self._pieces = [row for row in rows if "match" in row]

    def spec(self, task: TaskSpec) -> EngineSpec:
        """A scripted engine has no settings beside its table, which is the model."""
        return EngineSpec(name="scripted", version="1", batch_size=1)

    def recorded(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def load(self) -> None:
        """Nothing to load."""

    def answer(self, requests: Sequence[Sequence[Request]]) -> list[list[Response]]:
        """Look every request up."""
        return [[self._answer(request) for request in group] for group in requests]

    def state(self) -> Mapping[str, Any]:
        """Nothing changes."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Nothing to go on from."""

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, request: Request) -> Response:
        match request:
            case Generation(prompt=prompt):
                row = self._find(prompt, None)
                return Text(
                    text=row.get("text", ""), finish=row.get("finish", "stop"), error=row.get("error")
                )
            case RollingLoglikelihood(text=text):
                row = self._find(text, None)
            case _:
                row = self._find(request.context, request.continuation)
        return Logprob(value=float(row.get("logprob", "nan")), error=row.get("error"))

    def _find(self, prompt: str, continuation: str | None) -> Mapping[str, Any]:
        """The first row for the whole prompt, else the one whose piece stands nearest the prompt's end."""
        for row in self._whole.get(prompt, ()):
            if _continues(row, continuation):
                return row
        best: tuple[int, Mapping[str, Any]] | None = None
        for row in self._pieces:
            place = prompt.rfind(row["match"])
            if place >= 0 and _continues(row, continuation):
                place = place if row["match"] else -1
                if best is None or place > best[0]:
                    best = place, row
        return best[1] if best else {"error": "the table has no row for this request"}


def _continues(row: Mapping[str, Any], continuation: str | None) -> bool:
    return continuation is None or row.get("continuation") in (None, continuation)


def open_table(path: str) -> ScriptedEngine:
    """Build the engine from a JSON Lines file.

    Raises:
        UnknownName: If there is no such file.
        EngineError: If a line is not a JSON object with known keys.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UnknownName("answer table", path, [str(near) for near in file.parent.glob("*.jsonl")])
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise EngineError(f"{path}, line {number} is not JSON ({error})") from None
            _check(rows[-1], f"{path}, line {number}")
    return ScriptedEngine(ModelSpec(name=path, source=path, fingerprint=file_hash(file)), rows)


def is_table(path: Path) -> bool:
    """Whether the file's first line is a row of such a table; cheap, and never an error."""
    try:
        with open(path, "rb") as file:
            _check(json.loads(file.readline(1 << 20)), str(path))
    except (OSError, ValueError, RecursionError, RegressError):
        return False
    return True


def _check(row: Any, where: str) -> None:
    if not isinstance(row, Mapping):
        raise EngineError(f"{where} is not an object", allowed=", ".join(sorted(_KEYS)))
    for key in row:
        if key not in _KEYS:
            raise UnknownName("key", key, _KEYS, where=where)
    if not {"prompt", "match"} & set(row):
        raise EngineError(f"{where} says neither `prompt` nor `match`")
    if not {"text", "logprob", "error"} & set(row):
        raise EngineError(f"{where} has no answer", allowed="text, logprob, or error")
