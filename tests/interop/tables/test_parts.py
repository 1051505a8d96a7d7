"""A table of several tasks or models is refused, or read in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.errors import DataError, UnknownName
from regress.interop.records import Heading, Reading, Record
from regress.interop.tables import reader

MIXED = "id,model,task,correct\n1,a,piqa,true\n1,b,piqa,false\n2,a,piqa,false\n2,b,piqa,true\n"


def read(path: Path, text: str, **reading: object) -> tuple[Heading, list[Record]]:
    path.write_text(text, encoding="utf-8")
    (source,) = reader.sources(path, Reading(**reading))
    return source.heading, list(source.records())


def test_rows_of_two_models_are_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv:2 is of the model 'a', and t\.csv:3 of 'b'") as refused:
        read(tmp_path / "t.csv", MIXED)
    assert "--where 'model=a'" in str(refused.value)


def test_rows_of_two_tasks_are_no_run(tmp_path: Path) -> None:
    rows = '{"id": 1, "task": "x", "correct": true}\n{"id": 2, "task": "y", "correct": true}\n'
    with pytest.raises(DataError, match=r"of the task 'x', and t\.jsonl:2 of 'y'"):
        read(tmp_path / "t.jsonl", rows)


def test_a_part_is_read_and_says_so(tmp_path: Path) -> None:
    heading, records = read(tmp_path / "t.csv", MIXED, where={"model": "b"})
    assert [(one.where, one.correct) for one in records] == [("t.csv:3", False), ("t.csv:5", True)]
    assert heading.read["where"] == {"model": "b"}
    assert heading.task == "piqa"


def test_a_column_that_always_says_the_same_names_task_and_model(tmp_path: Path) -> None:
    heading, _ = read(tmp_path / "t.csv", "id,model,dataset,correct\n1,org/m,sums,true\n")
    assert (heading.model.name, heading.task) == ("org/m", "sums")


def test_a_task_that_the_user_names_wins(tmp_path: Path) -> None:
    heading, _ = read(tmp_path / "t.csv", "id,task,correct\n1,sums,true\n", task="mine")
    assert heading.task == "mine"


def test_a_file_cannot_name_a_definition_to_read(tmp_path: Path) -> None:
    heading, _ = read(tmp_path / "t.csv", "id,task,correct\n1,/etc/secret.yaml,true\n")
    assert heading.task == "table"


def test_a_part_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row of t\.csv has model=c"):
        read(tmp_path / "t.csv", MIXED, where={"model": "c"})
    with pytest.raises(UnknownName, match="'modell'"):
        read(tmp_path / "t.csv", MIXED, where={"modell": "a"})


def test_a_column_that_means_something_else_names_nothing(tmp_path: Path) -> None:
    heading, records = read(
        tmp_path / "t.csv", "task,correct\na,true\nb,false\n", columns={"question": "task"}
    )
    assert heading.task == "table"
    assert [one.question for one in records] == ["a", "b"]
