"""A definition read as data says what lm-eval makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.definitions import templates
from regress.definitions.known import Known, known, named, shipped
from regress.definitions.yaml_files import read, tasks_folder
from regress.errors import TaskError, UnknownName
from regress.identity import item_id

OURS = ("gsm8k", "hellaswag", "piqa", "samsum", "samsum_muscle")


def _ours(name: str) -> Known:
    found = shipped(name)
    assert found is not None
    return found


@pytest.mark.models
@pytest.mark.parametrize("name", OURS)
def test_it_agrees_with_the_task_that_lm_eval_builds(name: str) -> None:
    from regress.demo.pair import items_folder
    from regress.tasks.load import load_tasks

    task = load_tasks([name], data=items_folder(), data_label="demo").tasks[0]
    ours = _ours(name)
    for field in ("name", "version", "kind", "scale", "metric", "higher_is_better", "scorer", "generation"):
        assert getattr(ours, field) == getattr(task.spec, field), field


@pytest.mark.models
@pytest.mark.parametrize("name", OURS)
def test_an_item_gets_the_id_that_it_has_where_it_is_asked(name: str) -> None:
    import json

    from regress.demo.pair import items_folder
    from regress.tasks.load import load_tasks

    task = load_tasks([name], data=items_folder(), data_label="demo").tasks[0]
    ours = _ours(name)
    for instance in task.instances[:20]:
        item = json.loads(instance.source or "")
        question = ours.question(item)
        assert question is not None
        assert instance.prompt.endswith(question)
        assert (ours.choices(item) or None) == instance.choices
        hashed = item_id(question, ours.choices(item) or ())
        assert instance.id in (hashed, str(item.get("ind")), str(item.get("id")))


def test_a_name_that_we_do_not_ship_is_unknown() -> None:
    assert shipped("arc_easy") is None


def test_another_metric_can_decide() -> None:
    found = shipped("gsm8k", metric="exact_match/flexible-extract")
    assert found is not None
    assert found.metric == "exact_match/flexible-extract"
    with pytest.raises(UnknownName, match="f1"):
        shipped("gsm8k", metric="f1")


def test_what_only_code_can_say_is_null() -> None:
    config = read(tasks_folder() / "piqa" / "piqa.yaml").config
    source = "def doc_to_text(doc):\n    return doc['goal']"
    assert known({**config, "doc_to_text": source}).question({"goal": "x"}) is None
    assert known({**config, "process_results": "def f(doc, results): ..."}).scorer == {"kind": "lm-eval"}


def test_a_template_cannot_reach_python(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be filled in"):
        templates.render("{{ x.__class__.__mro__[1].__subclasses__() }}", {"x": 1})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(TaskError, match="goal"):
        _ours("piqa").question({"question": "?"})


@pytest.mark.parametrize(
    "written",
    [
        "def mine(references, predictions):\n    return float(references[0].startswith('a.b'))\n",
        "@cache\ndef mine(references, predictions):\n    ...\n",
        "<function mine at 0x7f0000000000>",
        "<function module.mine at 0x7f0000000000>",
        "scores.mine",
    ],
)
def test_a_metric_that_is_a_function_has_its_name_however_results_hold_it(written: str) -> None:
    """lm-eval writes a function's source into its results, and where it finds none its repr."""
    declared = {"metric": written, "aggregation": "mean", "higher_is_better": True}
    definition = known({"task": "toy", "metric_list": [declared], "output_type": "generate_until"})
    assert definition.metric == "mine"
    assert definition.scorer == {"kind": "lm-eval"}


def test_clusters_and_tags_are_fields_or_templates() -> None:
    metadata = {"cluster": "{{ page | default('') }}", "tags": {"topic": "area", "none": "absent"}}
    definition = known({"task": "toy", "output_type": "multiple_choice", "metadata": metadata})
    assert definition.cluster({"area": "law"}) is None
    assert definition.cluster({"page": 7, "area": "law"}) == "7"
    assert definition.tags({"area": "law"}) == {"topic": "law"}


def test_tags_that_are_no_fields_are_refused() -> None:
    definition = known({"task": "toy", "output_type": "multiple_choice", "metadata": {"tags": "area"}})
    with pytest.raises(TaskError, match="a list of fields"):
        definition.tags({"area": "law"})


def test_a_task_is_named_by_its_yaml_or_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("task: mine\noutput_type: multiple_choice\n")
    found, ours = named(str(path)), named("piqa")
    assert found is not None
    assert ours is not None
    assert (found.name, ours.name, named("mine")) == ("mine", "piqa", None)
