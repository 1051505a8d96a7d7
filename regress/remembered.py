"""What one process worked out and the next need not: small values, kept in the user's cache folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Remembered:
    """Values by key; losing them costs time, never truth.

    Args:
        name: Of the file, `<cache>/regress/<name>.json`.
    """

    def __init__(self, name: str) -> None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self._path = Path(cache) / "regress" / f"{name}.json"

    def get(self, key: str) -> str | None:
        """The value; null if there is none."""
        value = self._read().get(key)
        return value if isinstance(value, str) else None

    def put(self, key: str, value: str) -> None:
        """Remember a value; what cannot be written is not."""
        entries = {**self._read(), key: value}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".{self._path.stem}.{os.getpid()}")
            temporary.write_text(json.dumps(entries), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            return  # a read-only home is no reason to fail

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}
