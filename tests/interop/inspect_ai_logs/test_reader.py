"""inspect_ai logs, as JSON and as `.eval`; the fixtures are shaped as inspect_ai 0.3.285 writes them."""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import DataError, RegressError, UnknownName, UsageError
from regress.interop.inspect_ai_logs import reader as inspect_logs
from regress.interop.inspect_ai_logs.archive import LARGEST_MEMBER, Archive
from regress.interop.records import Reading

STORED, DEFLATED, ZSTD = 0, 8, 93


def sample(id_: Any = 1, value: Any = "C", said: str = "It is 4.", **changes: Any) -> dict[str, Any]:
    """A sample as it is logged."""
    asked = {"id": "m1", "content": "2+2?", "source": "input", "role": "user"}
    reply = {"id": "m2", "content": said, "source": "generate", "role": "assistant", "model": "hf/gpt2"}
    logged = {
        "id": id_,
        "epoch": 1,
        "input": "2+2?",
        "target": "4",
        "messages": [asked, reply],
        "output": {
            "model": "hf/gpt2",
            "choices": [{"message": reply, "stop_reason": "stop"}],
            "completion": said,
            "usage": {"input_tokens": 36, "output_tokens": 9, "total_tokens": 45},
            "time": 0.1,
        },
        "scores": {"match": {"value": value, "answer": "4", "explanation": said, "history": []}},
        "metadata": {},
        "store": {},
        "events": [],
        "model_usage": {},
        "uuid": "u1",
        "attachments": {},
    }
    return logged | changes


def header(ids: Sequence[Any] = (1,), **changes: Any) -> dict[str, Any]:
    """All of a log but its samples."""
    told = {
        "version": 2,
        "status": "success",
        "eval": {
            "run_id": "r",
            "created": "2026-11-21T17:06:10+00:00",
            "task": "inspect_evals/sums",
            "task_id": "t",
            "task_version": 3,
            "dataset": {"name": "sums", "samples": 50, "sample_ids": list(ids), "shuffled": False},
            "model": "hf/gpt2",
            "model_generate_config": {"temperature": 0.0},
            "model_args": {},
            "config": {"epochs": 1, "log_samples": True},
            "packages": {"inspect_ai": "0.3.285"},
        },
        "plan": {"name": "plan", "steps": [], "config": {"max_connections": 1, "max_tokens": 5}},
        "results": {
            "total_samples": len(ids),
            "completed_samples": len(ids),
            "scores": [{"name": "match", "scorer": "match", "metrics": {}}],
            "headline": {"scorer": "match", "score": "match", "metric": "accuracy"},
        },
        "stats": {},
    }
    return told | changes


def zipped(
    members: Sequence[tuple[str, bytes]],
    method: int = ZSTD,
    flags: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> bytes:
    """A zip archive, by hand: with compression that `zipfile` does not know, and with lies."""
    body, directory = b"", b""
    for name, content in members:
        packed = {
            STORED: lambda raw: raw,
            DEFLATED: lambda raw: zlib.compress(raw, wbits=-15),
            ZSTD: lambda raw: pa.Codec("zstd").compress(raw, asbytes=True),
        }.get(method, lambda raw: raw)(content)
        size = (sizes or {}).get(name, len(content))
        common = struct.pack(
            "<5H3I2H", 63, flags, method, 0, 33, zlib.crc32(content), len(packed), size, len(name), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 63) + common
        directory += struct.pack("<3H2I", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + common + name.encode() + packed
    end = struct.pack("<4H2IH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def members(samples: Sequence[dict[str, Any]], told: dict[str, Any]) -> list[tuple[str, bytes]]:
    """What a `.eval` file holds."""
    named = [(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one).encode()) for one in samples]
    start = {name: told[name] for name in ("version", "eval", "plan")}
    return [
        ("_journal/start.json", json.dumps(start).encode()),
        *named,
        ("summaries.json", b"[]"),
        ("header.json", json.dumps(told).encode()),
    ]


@pytest.fixture(name="written", params=["json", "eval"])
def _written(request, tmp_path):
    """Writes a log in either form, and returns its path."""

    def written(samples, told=None, name="log"):
        told = told or header(list(dict.fromkeys(one["id"] for one in samples)))
        path = tmp_path / f"{name}.{request.param}"
        if request.param == "json":
            path.write_text(json.dumps(told | {"samples": samples}, indent=2))
        else:
            path.write_bytes(zipped(members(samples, told)))
        return path

    return written


def read(path, **reading):
    """The only run at a path, and its records."""
    assert inspect_logs.recognises(path)
    (source,) = inspect_logs.sources(path, Reading(**reading))
    return source.heading, list(source.records())


# ── what is read ─────────────────────────────────────────────────────────────────────────────────


def test_a_sample_is_an_answer_with_its_judgement(written):
    _, (record,) = read(written([sample("a")]))
    assert (record.id, record.position, record.repeat) == ("a", 0, 0)
    assert (record.question, record.prompt, record.targets) == ("2+2?", "2+2?", ("4",))
    assert (record.output, record.answer, record.status) == ("It is 4.", "4", "scored")
    assert (record.scores, record.correct) == ({"match": 1.0}, None)
    assert (record.prompt_tokens, record.output_tokens, record.finish) == (36, 9, "stop")


def test_the_header_tells_of_model_engine_and_task(written):
    heading, _ = read(written([sample("a")]))
    assert (heading.task, heading.version, heading.metric, heading.kind) == (
        "sums",
        "3",
        "match",
        "generation",
    )
    assert (heading.model.name, heading.engine.name) == ("hf/gpt2", "hf")
    assert heading.engine.settings == {"temperature": 0.0, "max_tokens": 5}
    assert (heading.producer, heading.n, heading.expected) == ("inspect_ai 0.3.285", 50, 1)
    assert {"model.fingerprint", "model.dtype", "engine.batch_size"} <= set(heading.unknown)
    assert heading.remarks == ()


@pytest.mark.parametrize(
    ("value", "score"),
    [
        *(("C", 1.0), ("I", 0.0), ("P", 0.5), (True, 1.0), (0.25, 0.25), (2, 2.0)),
        *(("yes", 1.0), ("False", 0.0), ("0.75", 0.75)),
    ],
)
def test_a_grade_is_the_number_that_inspect_ai_makes_of_it(value, score, written):
    _, (record,) = read(written([sample(value=value)]))
    assert (record.scores, record.status) == ({"match": score}, "scored")


@pytest.mark.parametrize("score", [{"value": "N", "answer": "4"}, {"value": "I", "answer": ""}])
def test_no_answer_is_unreadable_and_not_right(score, written):
    _, (record,) = read(written([sample(scores={"match": score})]))
    assert (record.status, record.answer, record.scores) == ("unparsable", None, {"match": 0.0})


def test_a_scorer_that_names_no_answer_leaves_the_output(written):
    _, (record,) = read(written([sample(said=" 4\n", scores={"match": {"value": "C"}})]))
    assert (record.answer, record.status) == ("4", "scored")


def test_one_of_several_scorers_decides(written):
    scores = {
        "match": {"value": "I", "answer": "5"},
        "pkg/judge": {"value": {"style": 0.5, "tone": "C"}, "answer": "x"},
    }
    heading, (record,) = read(written([sample(scores=scores)]))
    assert (heading.metric, record.answer) == ("match", "5")
    assert record.scores == {"match": 0.0, "judge.style": 0.5, "judge.tone": 1.0}
    assert "'judge.style', 'judge.tone'" in heading.remarks[0]
    heading, (record,) = read(written([sample(scores=scores)]), metric="judge.style")
    assert (heading.metric, record.answer) == ("judge.style", "x")


def test_epochs_are_repeats(written):
    samples = [sample(1, "C"), sample(1, "I", epoch=2)]
    _, records = read(written(samples))
    assert [(record.position, record.repeat, record.scores["match"]) for record in records] == [
        (0, 0, 1.0),
        (0, 1, 0.0),
    ]


def test_samples_stand_where_the_data_set_has_them(written):
    path = written([sample("b"), sample("a")], header(["a", "b"]))
    _, records = read(path)
    assert [(record.id, record.position) for record in records] == [("b", 1), ("a", 0)]


def test_ids_that_inspect_ai_made_up_are_places_and_no_ids(written):
    path = written([sample(7, metadata={"question_id": 90}), sample(3)], header([7, 3]))
    _, records = read(path)
    assert [(record.id, record.position) for record in records] == [(None, 6), (None, 2)]
    assert [record.own for record in records] == [{"question_id": "90"}, {}]


def test_a_truth_value_is_no_id(written):
    with pytest.raises(DataError, match="sample_ids"):
        read(written([sample("True")], header([True])))


def test_a_log_without_a_list_of_ids_is_read_in_order(written):
    told = header()
    del told["eval"]["dataset"]["sample_ids"]
    heading, (record,) = read(written([sample(1)], told))
    assert (record.id, record.position, heading.expected) == ("1", None, None)


def test_choices_and_the_right_one(written):
    item = {
        "input": "Sky?",
        "choices": ["red", "blue"],
        "target": "B",
        "metadata": {"subject": "physics", "uuid": "7"},
    }
    _, (record,) = read(written([sample(**item)]))
    assert (record.choices, record.golds) == (("red", "blue"), (1,))
    assert record.tags == {"subject": "physics"}
    assert json.loads(record.source) == {
        "input": "Sky?",
        "choices": ["red", "blue"],
        "target": ["B"],
        "subject": "physics",
        "uuid": "7",
    }


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("stop", "stop"),
        ("max_tokens", "length"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", None),
    ],
)
def test_why_an_answer_ended(stop_reason, finish, written):
    logged = sample()
    logged["output"]["choices"][0]["stop_reason"] = stop_reason
    _, (record,) = read(written([logged]))
    assert record.finish == finish


def test_a_sample_stopped_by_a_limit_on_tokens_was_cut_off(written):
    _, (record,) = read(written([sample(limit={"type": "token", "limit": 100})]))
    assert record.finish == "length"


def test_of_a_conversation_the_prompt_is_all_before_the_first_reply(written):
    turns = [
        ("system", "Be brief."),
        ("user", [{"type": "text", "text": "2+2?"}, {"type": "image", "image": "x"}]),
    ]
    messages = [
        {"role": role, "content": content}
        for role, content in [*turns, ("assistant", "5"), ("user", "sure?")]
    ]
    _, (record,) = read(written([sample(input=[messages[1]], messages=messages)]))
    assert (record.question, record.prompt) == ("2+2?", "system: Be brief.\n\nuser: 2+2?")


def test_long_texts_kept_as_attachments_are_put_back(written):
    _, (record,) = read(written([sample(input="attachment://ab", attachments={"ab": "a long question"})]))
    assert record.question == "a long question"


def test_an_output_in_parts_is_its_text(written):
    logged = sample()
    parts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}]
    logged["output"] = {"choices": [{"message": {"content": parts}, "stop_reason": "stop"}], "completion": ""}
    _, (record,) = read(written([logged]))
    assert (record.output, record.prompt_tokens) == ("4", None)


def test_a_sample_that_failed_has_no_answer(written):
    failed = sample(
        1, scores={}, error={"message": "timeout", "traceback": "…"}, output={"choices": [], "completion": ""}
    )
    unscored = sample(2, value=float("nan"))
    heading, records = read(written([failed, unscored, sample(3)]))
    assert heading.metric == "match"
    assert [(record.status, record.error) for record in records] == [
        ("error", "timeout"),
        ("error", "the scorer 'match' gave no number"),
        ("scored", None),
    ]


def test_a_log_that_did_not_end_well_says_so(written):
    heading, records = read(written([sample(1)], header([1, 2], status="error", results=None)))
    assert (heading.expected, len(records)) == (2, 1)
    assert heading.remarks == ("The log says that its evaluation ended as 'error'.",)


def test_a_folder_of_logs_holds_a_run_each(written, tmp_path):
    written([sample()], name="a")
    written([sample()], name="b")
    (tmp_path / "notes.json").write_text("{}")
    assert inspect_logs.recognises(tmp_path)
    found = inspect_logs.sources(tmp_path, Reading(task="other"))
    assert [(one.heading.files[0].stem, one.heading.task) for one in found] == [
        ("a", "other"),
        ("b", "other"),
    ]


# ── .eval ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", [STORED, DEFLATED, ZSTD])
def test_every_compression_that_inspect_ai_uses_is_read(method, tmp_path):
    path = tmp_path / "log.eval"
    path.write_bytes(zipped(members([sample("a")], header(["a"])), method))
    _, (record,) = read(path)
    assert (record.output, record.where) == ("It is 4.", "log.eval:samples/a_epoch_1.json")


def test_a_log_of_a_run_that_was_killed_has_only_a_journal(tmp_path):
    path = tmp_path / "log.eval"
    path.write_bytes(zipped([one for one in members([sample()], header()) if one[0] != "header.json"]))
    heading, _ = read(path)
    assert heading.remarks == ("The log says that its evaluation ended as 'started'.",)


def test_of_a_sample_that_was_written_again_the_last_counts(tmp_path):
    path = tmp_path / "log.eval"
    first, again = (members([sample(said=said)], header()) for said in ("first", "again"))
    path.write_bytes(zipped([*first, again[1]]))
    _, (record,) = read(path)
    assert record.output == "again"


@pytest.mark.parametrize(
    ("name", "method", "flags", "sizes", "message"),
    [
        ("../evil.json", STORED, 0, {}, "log.eval:../evil.json leaves the archive"),
        ("/etc/passwd", STORED, 0, {}, "leaves the archive"),
        ("a\\..\\b.json", STORED, 0, {}, "leaves the archive"),
        ("samples/1.json", STORED, 1, {}, "is encrypted"),
        ("samples/1.json", 12, 0, {}, "is compressed by method 12. Allowed: stored, deflate, zstd"),
        ("samples/1.json", ZSTD, 0, {"samples/1.json": LARGEST_MEMBER + 1}, "MB. Allowed: up to 256 MB"),
        ("samples/1.json", ZSTD, 0, {"samples/1.json": 20 << 20}, "would unpack from"),
    ],
)
def test_an_archive_that_nobody_should_read_is_refused(name, method, flags, sizes, message, tmp_path):
    path = tmp_path / "log.eval"
    path.write_bytes(zipped([(name, b"{}")], method, flags, sizes))
    with pytest.raises(DataError) as refusal:
        inspect_logs.sources(path, Reading())
    assert message in str(refusal.value)


@pytest.mark.parametrize("method", [STORED, DEFLATED, ZSTD])
def test_a_member_larger_than_it_says_is_not_unpacked_further(method, tmp_path):
    path = tmp_path / "bomb.eval"
    path.write_bytes(zipped([("header.json", b" " * (30 << 20))], method, sizes={"header.json": 100}))
    with pytest.raises(DataError, match="is not what was written into it"):
        Archive.of(path).read("header.json")


def test_members_that_are_small_alone_and_large_together_are_refused(tmp_path):
    path = tmp_path / "bomb.eval"
    path.write_bytes(zipped([(f"samples/{i}.json", b" " * (1 << 20)) for i in range(40)]))
    with pytest.raises(DataError, match=r"bomb\.eval would unpack from \d+ to 41943040 bytes"):
        Archive.of(path)


def test_an_archive_that_is_cut_off_is_refused(tmp_path):
    whole = zipped(members([sample()], header()))
    for name, raw in {
        "cut": whole[:-30],
        "none": b"PK\x03\x04",
        "empty": zipped([("a.json", b"{}")]),
    }.items():
        path = tmp_path / f"{name}.eval"
        path.write_bytes(raw)
        with pytest.raises(DataError, match=r"cut off|no log of inspect_ai"):
            inspect_logs.sources(path, Reading())


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": None}, "has None for id. Allowed: a text or a whole number"),
        ({"id": "zz"}, "has the id 'zz', which the log's data set does not list"),
        ({"epoch": "one"}, "has 'one' for epoch"),
        ({"target": 4}, "has 4 for target. Allowed: a list of texts"),
        ({"choices": [1]}, "has [1] for choices"),
        ({"output": "4"}, "has '4' for output.completion. Allowed: an object on the way there"),
        ({"output": {"choices": ["4"]}}, "has ['4'] for output.choices"),
        ({"scores": {"match": 1}}, "has 1 for value.value"),
    ],
)
def test_a_sample_that_cannot_be_is_named(changes, message, written):
    good, bad = sample("a"), sample("b") | changes
    with pytest.raises(DataError) as refusal:
        read(written([good, bad], header(["a", "b"])))
    assert message in str(refusal.value)


def test_logs_without_samples_or_scores_are_refused(written):
    with pytest.raises(DataError, match="holds no samples"):
        inspect_logs.sources(written([]), Reading())
    with pytest.raises(DataError, match="holds no scores"):
        inspect_logs.sources(written([sample(scores={})], header(results=None)), Reading())


def test_what_does_not_concern_a_log_or_is_not_in_it_is_refused(written):
    path = written([sample()])
    for reading, error in [
        (Reading(columns={"id": "x"}), UsageError),
        (Reading(marker="A:"), UsageError),
        (Reading(where={"model": "x"}), UsageError),
        (Reading(metric="bleu"), UnknownName),
    ]:
        with pytest.raises(error):
            inspect_logs.sources(path, reading)


def taken(path: Path) -> None:
    """Reads a log that may be damaged: nothing but a `RegressError` may come of it."""
    with contextlib.suppress(RegressError):
        for source in inspect_logs.sources(path, Reading()):
            list(source.records())


@pytest.mark.parametrize("suffix", [".json", ".eval", ".jsonl", ""])
@given(raw=st.binary())
def test_any_bytes_are_no_log_or_refused(suffix, raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / f"some{suffix}"
    path.write_bytes(raw)
    for place in (path, path.parent):
        if inspect_logs.recognises(place):
            with pytest.raises(RegressError):
                inspect_logs.sources(place, Reading())


@given(data=st.data())
def test_a_damaged_archive_gives_records_or_a_clear_error(data, tmp_path_factory):
    method = data.draw(st.sampled_from([STORED, DEFLATED, ZSTD]))
    raw = bytearray(zipped(members([sample()], header()), method))
    for place in data.draw(st.lists(st.integers(4, len(raw) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "log.eval"
    path.write_bytes(bytes(raw[: data.draw(st.integers(4, len(raw)))]) if data.draw(st.booleans()) else raw)
    taken(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(data=st.data())
def test_any_value_in_any_field_gives_a_record_or_a_clear_error(data, tmp_path_factory):
    logged, told = sample(), header()
    inside = (
        logged["output"],
        logged["output"]["choices"][0],
        logged["scores"]["match"],
        told["eval"]["dataset"],
    )
    for target in (logged, told, told["eval"], *inside):
        if data.draw(st.booleans()):
            target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    path = tmp_path_factory.mktemp("mutated") / "log.json"
    path.write_text(json.dumps(told | {"samples": [logged]}))
    taken(path)
