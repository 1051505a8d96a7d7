"""What is remembered between processes is found again, and losing it is no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.remembered import Remembered


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "regress"


def test_a_value_is_found_by_its_key_and_by_its_name() -> None:
    Remembered("some").put("a", "1")
    Remembered("some").put("b", "2")
    assert [Remembered("some").get(key) for key in ("a", "b", "c")] == ["1", "2", None]
    assert Remembered("others").get("a") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', ""])
def test_a_file_that_is_no_such_memory_remembers_nothing(content: str, cache: Path) -> None:
    cache.mkdir()
    (cache / "some.json").write_text(content)
    assert Remembered("some").get("a") is None
    Remembered("some").put("b", "2")
    assert Remembered("some").get("b") == "2"


def test_where_nothing_can_be_written_nothing_is_remembered(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    Remembered("some").put("a", "1")
    assert Remembered("some").get("a") is None
