"""Records become a run: identified, ordered, judged, or refused with the row that is at fault."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from regress.errors import DataError
from regress.identity import item_id, text_hash
from regress.interop.draft import Draft
from regress.interop.records import Record
from regress.types import Subset

Drafted = Callable[..., Draft]

CHOICE = {"kind": "choice", "metrics": ["acc", "acc_norm"]}
EXACT = {
    "kind": "text",
    "filters": [{"name": "none", "filter": [{"function": "take_first"}]}],
    "metrics": [{"metric": "exact_match", "function": "exact_match"}],
}


def _rows(count: int, **changes: Any) -> list[Record]:
    """Records of right answers to as many questions; callables take the number."""
    return [
        Record(
            where=f"line {i}",
            **{
                "question": f"Q{i}?",
                "correct": True,
                **{name: value(i) if callable(value) else value for name, value in changes.items()},
            },
        )
        for i in range(count)
    ]


def _table(made: Draft) -> list[dict[str, Any]]:
    return made.predictions(made.indices).to_pylist()


# ── who is who ───────────────────────────────────────────────────────────────────────────────────


def test_an_item_without_an_id_gets_that_of_its_question(drafted: Drafted) -> None:
    made = drafted(_rows(3))
    assert [row["instance_id"] for row in _table(made)] == [item_id(f"Q{i}?") for i in range(3)]
    assert made.indices == [0, 1, 2]


def test_choices_are_part_of_the_item(drafted: Drafted) -> None:
    """Some benchmarks repeat a question with other choices."""
    rows = _rows(2, question="Which?", choices=lambda i: ("a", f"b{i}"), golds=(0,))
    assert [row["instance_id"] for row in _table(drafted(rows))] == [
        item_id("Which?", ["a", f"b{i}"]) for i in range(2)
    ]


def test_a_declared_id_wins_over_the_data_sets_own_and_that_over_a_hash(drafted: Drafted) -> None:
    own = {"own": lambda i: {"ind": str(10 + i)}}
    assert [row["instance_id"] for row in _table(drafted(_rows(2, **own)))] == ["10", "11"]
    assert [row["instance_id"] for row in _table(drafted(_rows(2, id=lambda i: f"x{i}", **own)))] == [
        "x0",
        "x1",
    ]


def test_an_own_field_that_repeats_is_no_id(drafted: Drafted) -> None:
    made = drafted(_rows(2, own={"id": "7", "ind": "8"}, position=lambda i: i))
    assert [row["instance_id"] for row in _table(made)] == [item_id("Q0?"), item_id("Q1?")]


def test_an_item_that_a_data_set_holds_twice_is_numbered_by_position(drafted: Drafted) -> None:
    made = drafted(_rows(3, question="Same?", position=lambda i: 2 - i))
    assert [row["instance_id"] for row in _table(made)] == [
        item_id("Same?"),
        item_id("Same?") + "#2",
        item_id("Same?") + "#3",
    ]


def test_rows_are_never_matched_by_their_place(drafted: Drafted) -> None:
    with pytest.raises(DataError, match="which item"):
        drafted(_rows(2, question=None))
    with pytest.raises(DataError, match="which item"):
        drafted(_rows(2, question=None, position=lambda i: i))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": "Same?"}, "line 0 and line 1 are about one instance"),
        ({"id": "a"}, "one instance, 'a'"),
        ({"position": 3}, "line 0 and line 1 are about one instance"),
        ({"id": lambda i: f"a{' ' * (i + 1)}b"}, "differ only in white space"),
        ({"id": lambda i: ["ﬁ", "fi"][i]}, "differ only"),
        ({"id": lambda i: "a" if i else None}, "line 0 has no id"),
        ({"position": lambda i: i if i else None}, "line 0 has no position"),
        ({"position": lambda i: -i}, "line 1 has the position -1"),
    ],
)
def test_rows_that_cannot_be_told_apart_are_refused(drafted: Drafted, changes: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        drafted(_rows(2, **changes))


def test_white_space_inside_an_id_tells_rows_apart(drafted: Drafted) -> None:
    made = drafted(_rows(2, id=lambda i: f"a{' ' * i}b"))
    assert [row["instance_id"] for row in _table(made)] == ["ab", "a b"]


def test_several_answers_to_one_item_are_numbered(drafted: Drafted) -> None:
    rows = _rows(4, question=lambda i: f"Q{i % 2}?", repeat=lambda i: i // 2, correct=lambda i: i != 3)
    table = _table(drafted(rows))
    assert [(row["index"], row["repeat"], row["correct"]) for row in table] == [
        (0, 0, True),
        (0, 1, True),
        (1, 0, True),
        (1, 1, False),
    ]


# ── order and completeness ───────────────────────────────────────────────────────────────────────


def test_rows_come_by_position_whatever_the_order_of_the_source(drafted: Drafted) -> None:
    count = 3000
    made = drafted(_rows(count, position=lambda i: (i * 7) % count, correct=lambda i: i % 3 == 0))
    table = _table(made)
    assert [row["index"] for row in table] == list(range(count))
    assert all(row["instance_id"] == item_id(f"Q{(row['index'] * 2143) % count}?") for row in table[:50])


def test_a_run_of_the_first_items_says_so(drafted: Drafted) -> None:
    made = drafted(_rows(3, position=lambda i: i), n=10, expected=3)
    assert made.spec.subset == Subset(limit=3)
    assert (made.spec.n, made.spec.task.n) == (3, 10)


@pytest.mark.parametrize(
    ("changes", "told", "said"),
    [
        ({}, {"expected": 4}, "holds 3 of 4 instances: it was cut off"),
        ({"position": lambda i: 2 * i}, {}, "2 are missing"),
    ],
)
def test_what_was_cut_off_is_refused_unless_that_is_meant(
    drafted: Drafted, changes: Any, told: Any, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        drafted(_rows(3, **changes), **told)
    assert len(_table(drafted(_rows(3, **changes), partial=True, **told))) == 3


def test_positions_and_repeats_that_cannot_be_stored_are_refused(drafted: Drafted) -> None:
    for changes, said in (
        ({"position": 2**31}, "line 0 has the position 2147483648"),
        ({"position": -1}, "line 0 has the position -1"),
        ({"repeat": 2**15}, "line 0 has the repeat 32768"),
    ):
        with pytest.raises(DataError, match=said):
            drafted(_rows(1, **changes))


def test_a_position_far_away_costs_no_memory(drafted: Drafted) -> None:
    tracemalloc.start()
    with pytest.raises(
        DataError, match=r"2 of 2,147,483,648 positions: 2,147,483,646 are missing \(1, 2, 3, …\)"
    ):
        drafted(_rows(2, position=lambda i: i * (2**31 - 1)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20


def test_the_missing_positions_are_named_from_the_first(drafted: Drafted) -> None:
    with pytest.raises(DataError, match=r"3 of 8 positions: 5 are missing \(0, 2, 4, …\)"):
        drafted(_rows(3, position=lambda i: (1, 3, 7)[i]))


def test_rows_without_an_answer_are_refused_or_left_out(drafted: Drafted) -> None:
    rows = _rows(3, status=lambda i: "error" if i == 1 else "scored", error="out of memory")
    with pytest.raises(DataError, match=r"1 rows have no answer \(first: line 1: out of memory\)"):
        drafted(rows)
    assert len(_table(drafted(rows, partial=True))) == 2


def test_a_sample_is_one_only_if_all_of_it_is_there(drafted: Drafted) -> None:
    """A gate judges a sample, and not what happens to be left of one."""
    rows = _rows(3, position=lambda i: 3 * i)
    whole, part = (Subset(sample=size, seed=1) for size in (3, 4))
    assert drafted(rows, subset=whole, expected=3, n=10).spec.subset == whole
    assert drafted(rows, subset=part, n=10, partial=True).spec.subset == Subset()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"position": lambda i: 2 * i}, {}),
        ({"status": lambda i: "error" if i == 1 else "scored"}, {}),
        ({}, {"expected": 5}),
    ],
)
def test_what_is_missing_counts_among_the_items(drafted: Drafted, changes: Any, told: Any) -> None:
    """Or a gate would take what is there for all of them."""
    spec = drafted(_rows(3, **changes), partial=True, **told).spec
    assert spec.n < spec.task.n


def test_nothing_is_no_run(drafted: Drafted) -> None:
    with pytest.raises(DataError, match="holds no answers"):
        drafted([])


# ── filters ──────────────────────────────────────────────────────────────────────────────────────


def _two_readings(strict: list[float], flexible: list[float]) -> list[Record]:
    return [
        Record(
            where=f"{name} {i}",
            position=i,
            question=f"Q{i}",
            filter=name,
            answer=f"{name}{i}",
            scores={f"exact_match/{name}": value},
        )
        for name, values in (("flexible", flexible), ("strict", strict))
        for i, value in enumerate(values)
    ]


def test_one_filter_decides_and_the_scores_of_all_are_kept(drafted: Drafted) -> None:
    made = drafted(_two_readings([1.0, 0.0], [1.0, 1.0]), metric="exact_match/strict")
    first, second = _table(made)
    assert (second["correct"], second["answer"]) == (False, "strict1")
    assert dict(second["scores"]) == {"exact_match/strict": 0.0, "exact_match/flexible": 1.0}
    assert dict(first["scores"]) == {"exact_match/strict": 1.0, "exact_match/flexible": 1.0}


def test_a_filter_that_read_fewer_answers_is_a_run_cut_off(drafted: Drafted) -> None:
    with pytest.raises(DataError, match="not the same ones"):
        drafted(_two_readings([1.0], [1.0, 1.0]), metric="exact_match/strict")


def test_a_metric_of_a_filter_that_is_not_there_is_refused(drafted: Drafted) -> None:
    with pytest.raises(DataError, match="'loose'"):
        drafted(_two_readings([1.0], [1.0]), metric="exact_match/loose")


# ── judgement ────────────────────────────────────────────────────────────────────────────────────


def test_choices_are_judged_from_their_log_probabilities(drafted: Drafted) -> None:
    rows = _rows(2, choices=("yes", "no"), golds=(0,), logprobs=lambda i: (-1.0, -2.0 + 2 * i), correct=None)
    first, second = _table(drafted(rows, scorer=CHOICE, metric="acc", judge=True))
    assert (first["correct"], first["answer"], first["output"], first["gold_margin"]) == (
        True,
        "0",
        "yes",
        1.0,
    )
    assert (second["correct"], second["answer"], second["output"]) == (False, "1", "no")
    assert first["choice_lengths"] == [3, 2]


def test_outputs_are_judged_against_targets_and_checked_against_what_is_recorded(drafted: Drafted) -> None:
    rows = _rows(3, output=lambda i: f"{i}", targets=("1",), correct=lambda i: i > 0)
    made = drafted(rows, scorer=EXACT, metric="exact_match", judge=True)
    assert [row["correct"] for row in _table(made)] == [False, True, False]
    assert "agrees with the scorer's on 2 of 3 answers (first that differs: line 2)" in made.remarks[-1]


def test_what_is_recorded_stands_where_nothing_is_to_be_judged(drafted: Drafted) -> None:
    made = drafted(_rows(2, correct=lambda i: i == 0, output=" 42 "))
    assert (made.spec.task.metric, made.spec.task.scorer) == ("correct", {"kind": "recorded"})
    assert [(row["correct"], row["score"], row["answer"]) for row in _table(made)] == [
        (True, 1.0, "42"),
        (False, 0.0, "42"),
    ]


@pytest.mark.parametrize(
    ("values", "scale"),
    [((0.0, 1.0), "binary"), ((0.0, 0.5), "bounded"), ((0.0, -3.0), "unbounded")],
)
def test_the_scale_is_seen(drafted: Drafted, values: tuple[float, float], scale: str) -> None:
    made = drafted(_rows(2, correct=None, scores=lambda i: {"m": values[i]}))
    assert (made.spec.task.scale, made.spec.task.metric) == (scale, "m")
    assert (_table(made)[0]["correct"] is None) == (scale != "binary")


def test_a_value_outside_the_declared_scale_is_refused(drafted: Drafted) -> None:
    with pytest.raises(DataError, match=r"0\.5"):
        drafted(_rows(2, correct=None, scores={"m": 0.5}), scale="binary")


def test_a_run_without_errors_is_no_run_of_wrong_answers(drafted: Drafted) -> None:
    task = drafted(
        _rows(2, correct=None, scores={"wer": 0.0}), metric="wer", higher_is_better=False
    ).spec.task
    assert task.scale == "unbounded"


def test_an_unreadable_answer_does_not_earn_the_best_score(drafted: Drafted) -> None:
    rows = _rows(2, correct=None, status="unparsable", scores=lambda i: {"loss": 2.0} if i else {})
    assert drafted(rows, metric="loss").spec.n == 2
    with pytest.raises(DataError, match="line 0 has no value of the metric 'loss'"):
        drafted(rows, metric="loss", higher_is_better=False)


def test_a_margin_is_in_bytes_only_where_the_texts_are_known(drafted: Drafted) -> None:
    rows = _rows(1, logprobs=(-4.0, -6.0), lengths=(2, 6), golds=(0,), scores={"acc_bytes": 1.0})
    assert _table(drafted(rows, metric="acc_bytes"))[0]["gold_margin"] == 2.0
    rows = _rows(1, logprobs=(-4.0, -6.0), choices=("ää", "b"), golds=(0,), scores={"acc_bytes": 1.0})
    assert _table(drafted(rows, metric="acc_bytes"))[0]["gold_margin"] == 5.0


def test_a_margin_that_contradicts_the_verdict_is_none(drafted: Drafted) -> None:
    rows = _rows(2, logprobs=(-1.0, -2.0), golds=lambda i: (i,), correct=True)
    assert [row["gold_margin"] for row in _table(drafted(rows))] == [1.0, None]


def test_lower_is_better_is_negated(drafted: Drafted) -> None:
    made = drafted(_rows(1, correct=None, scores={"ppl": 12.0}), higher_is_better=False)
    assert _table(made)[0]["score"] == -12.0


@pytest.mark.parametrize(
    ("changes", "judge", "said"),
    [
        ({"correct": None}, False, "no value of the metric 'correct'"),
        ({"correct": None, "scores": {"m": float("nan")}}, False, "value nan"),
        ({"output": "x"}, True, "line 0 has no target"),
        ({"targets": ("x",)}, True, "line 0 has no output to judge"),
        ({"logprobs": (-1.0, float("nan")), "golds": (0,)}, False, "log-probability nan for choice 2"),
        ({"logprobs": (-1.0, float("-inf")), "golds": (0,)}, False, "log-probability -inf"),
        ({"logprobs": (-1.0,), "choices": ("a", "b")}, False, "1 log-probabilities and 2 choices"),
        ({"logprobs": (-1.0, -2.0), "golds": (2,)}, False, "names choice 2 as right"),
    ],
)
def test_a_row_that_cannot_be_judged_is_named(drafted: Drafted, changes: Any, judge: bool, said: str) -> None:
    with pytest.raises(DataError, match=said):
        drafted(_rows(1, **changes), scorer=EXACT, metric="exact_match" if judge else None, judge=judge)


# ── what is known and what is not ────────────────────────────────────────────────────────────────


def test_what_no_row_tells_is_recorded_as_unknown(drafted: Drafted) -> None:
    made = drafted(_rows(2), unknown=("model.dtype",))
    origin, task = made.spec.origin, made.spec.task
    assert origin is not None
    assert set(origin.unknown) == {
        *("model.dtype", "finish", "prompt_tokens", "output_tokens", "output", "prompts", "targets"),
    }
    assert (task.prompts, task.targets, task.version) == ("", "", "")
    assert (task.num_fewshot, task.data) == (None, "")


def test_a_prompt_is_hashed_as_if_it_were_asked_here(drafted: Drafted) -> None:
    made = drafted(_rows(1, prompt="Question: Q0?\nAnswer:"))
    assert _table(made)[0]["prompt_hash"] == text_hash("Question: Q0?\nAnswer:")
    assert made.spec.task.prompts


def test_equal_items_have_equal_hashes_whatever_was_answered(drafted: Drafted) -> None:
    one, two = (drafted(_rows(3, correct=right, targets=("x",))).spec.task for right in (True, False))
    other = drafted(_rows(3, targets=("y",))).spec.task
    assert (one.items, one.targets) == (two.items, two.targets)
    assert one.targets != other.targets
    assert one.items == other.items


def test_the_same_items_in_another_order_have_the_same_hashes(drafted: Drafted) -> None:
    rows = _rows(3, targets=lambda i: (str(i),), prompt=lambda i: f"P{i}", tags=lambda i: {"part": str(i)})
    asked, turned = drafted(rows).spec.task, drafted(rows[::-1]).spec.task
    assert asked == turned
    assert all((asked.items, asked.targets, asked.prompts, asked.definition))
    mixed = [
        replace(row, targets=other.targets) for row, other in zip(rows, rows[1:] + rows[:1], strict=True)
    ]
    assert drafted(mixed).spec.task.targets != asked.targets


def test_other_strata_are_other_instances_and_no_other_question(drafted: Drafted) -> None:
    plain, tagged = (drafted(_rows(2, tags=tags)).spec.task for tags in ({}, {"subject": "law"}))
    assert plain.items == tagged.items
    assert plain.fingerprint != tagged.fingerprint


def test_an_item_of_which_another_source_tells_less_is_no_other_item(drafted: Drafted) -> None:
    """Without this, a table of ids could not be compared with a log of whole items."""
    whole = drafted(_rows(2, id=lambda i: f"q{i}", source=lambda i: f'{{"n": {i}}}')).spec.task
    plain = drafted(_rows(2, id=lambda i: f"q{i}")).spec.task
    bare = drafted(_rows(2, id=lambda i: f"q{i}", question=None)).spec.task
    assert whole.items == plain.items != ""
    assert bare.items == ""
    assert len({one.fingerprint for one in (whole, plain, bare)}) == 3, "their instances lie apart"


def test_targets_are_equal_where_the_scorer_cannot_tell_them_apart(drafted: Drafted) -> None:
    metric = {"metric": "exact_match", "function": "exact_match", "regexes_to_ignore": ["(?s).*#### "]}
    filters = [{"name": "none", "filter": [{"function": "take_first"}]}]
    judged = {
        "metric": "exact_match",
        "judge": True,
        "scorer": {"kind": "text", "filters": filters, "metrics": [metric]},
    }
    rows = [_rows(1, output="4", targets=(target,)) for target in ("so #### 4", "4", "#### 5")]
    long, short, other = (drafted(one, **judged).spec.task for one in rows)
    assert long.targets == short.targets != other.targets
    spaced = [drafted(_rows(1, targets=(text,))).spec.task.targets for text in ("a b", "a\u00a0b", "c")]
    assert spaced[0] == spaced[1] != spaced[2]


def test_instances_that_say_something_else_lie_apart_where_hashes_are_unknown(drafted: Drafted) -> None:
    """One row without a target makes all targets unknown, and no two runs share the others."""
    rows = [_rows(2, targets=lambda i, t=text: (t,) if i else ()) for text in ("a", "b")]
    one, two = (drafted(each).spec.task for each in rows)
    assert one.targets == two.targets == ""
    assert one.fingerprint != two.fingerprint


def test_instances_are_written_as_they_would_be_here(drafted: Drafted) -> None:
    made = drafted(_rows(2, choices=("a", "b"), golds=(1,), tags={"s": "x"}, cluster="c", source="{}"))
    rows = [row for table in made.instances() for row in table.to_pylist()]
    assert rows[1] == {
        "instance_id": item_id("Q1?", ["a", "b"]),
        "index": 1,
        "prompt": "Q1?",
        "choices": ["a", "b"],
        "target": "b",
        "golds": [1],
        "cluster": "c",
        "tags": [("s", "x")],
        "source": "{}",
    }
