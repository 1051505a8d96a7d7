"""Answers depend on what is asked and on nothing else: not on earlier calls, not on bfloat16, not on luck."""

from __future__ import annotations

import gc
import json
import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regress.config import Settings
from regress.engines.harness import HarnessEngine
from regress.engines.open import open_engine
from regress.errors import EngineError, IncompleteRun, ModelError
from regress.store.runs import Store, read_run
from regress.types import EngineSpec, Generation, Loglikelihood, Logprob, RollingLoglikelihood, TaskSpec, Text
from regress.workflows.compare import compare
from regress.workflows.evaluate import evaluate

pytestmark = pytest.mark.models

Make = Callable[..., Path]
ENGINE = "local"
ROUNDED = ["choice_logprobs", "gold_margin"]


@pytest.fixture(autouse=True, params=["local", "hf"])
def both_engines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ENGINE", request.param)


def engine(folder: Path | str, **settings: Any) -> HarnessEngine:
    opened = open_engine(str(folder), Settings(**{"engine": ENGINE, **settings}), {})
    assert isinstance(opened, HarnessEngine)
    return opened


def sampled(prompt: str = "Q: a", **options: Any) -> Generation:
    return Generation(
        prompt=prompt, max_tokens=12, options={"do_sample": True, "temperature": 1.0, **options}
    )


@pytest.fixture
def piqa(tmp_path: Path) -> Path:
    """A data folder with six items that `pieces` can spell."""
    folder = tmp_path / "data"
    (folder / "piqa").mkdir(parents=True)
    items = [
        {"goal": f" {a}", "sol1": f"{a} b c", "sol2": "d e", "label": i % 2} for i, a in enumerate("abcdef")
    ]
    (folder / "piqa" / "validation.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


# ── nothing but the request counts ───────────────────────────────────────────────────────────────


def test_a_chunk_does_not_depend_on_the_chunks_before_it(make_checkpoint: Make) -> None:
    model = make_checkpoint()
    first = [[Loglikelihood(context="Q: a", continuation=word)] for word in (" b", " c d", " e f a")]
    chunk = [
        [Generation(prompt="Q: b c", max_tokens=9)],
        [Loglikelihood(context="Q:", continuation=" d"), RollingLoglikelihood(text=" a b c")],
        [sampled()],
    ]
    alone = engine(model).answer(chunk)
    used = engine(model)
    used.answer(first)
    used.answer([[sampled("Q: f")]])
    assert used.answer(chunk) == alone == used.answer(chunk)


def test_answers_come_back_in_the_order_asked_whatever_lm_eval_does(make_checkpoint: Make) -> None:
    """lm-eval sorts by length; requests of several kinds and settings share one call to the engine."""
    one = engine(make_checkpoint(), batch_size=1)
    short, long = (
        Loglikelihood(context="Q:", continuation=" a"),
        Loglikelihood(context="Q: a b c", continuation=" d"),
    )
    few, many = Generation(prompt="Q: a", max_tokens=2), Generation(prompt="Q: b b b", max_tokens=4)
    expected = [one.answer([[request]])[0][0] for request in (short, few, long, many)]
    assert one.answer([[short, few], [long], [many]]) == [expected[:2], expected[2:3], expected[3:]]
    assert [type(answer) for answer in expected] == [Logprob, Text, Logprob, Text]


def test_nothing_asked_nothing_answered(make_checkpoint: Make) -> None:
    assert engine(make_checkpoint()).answer([]) == []
    assert engine(make_checkpoint("again")).answer([[], []]) == [[], []]


@pytest.mark.parametrize("options", [{}, {"do_sample": None, "temperature": 0.7}])
def test_sampling_is_reproducible_by_its_seed(options: dict[str, Any], make_checkpoint: Make) -> None:
    """A temperature alone makes lm-eval sample too."""
    model = make_checkpoint(initializer_range=1.0)
    asked = [[sampled(prompt, **options)] for prompt in ("Q: a", "Q: b")]
    once, again, other = (engine(model, seed=seed).answer(asked) for seed in (1, 1, 2))
    assert once == again != other


def test_repeats_of_one_prompt_are_different_samples(make_checkpoint: Make) -> None:
    (answers,) = engine(make_checkpoint(initializer_range=1.0)).answer([[sampled()] * 4])
    assert len({answer.text for answer in answers if isinstance(answer, Text)}) > 1


@pytest.mark.parametrize(
    ("generation", "keyed"),
    [
        ({"do_sample": True}, True),
        ({"temperature": 0.5}, True),
        ({"do_sample": False, "temperature": 0.5}, False),
        ({"temperature": 0.0}, False),
        ({}, False),
    ],
)
def test_the_seed_is_keyed_where_it_decides_something(
    generation: Mapping[str, Any], keyed: bool, make_checkpoint: Make
) -> None:
    task = TaskSpec(
        name="t", version="1", kind="generation", scale="binary", metric="m", generation=generation
    )
    assert ("seed" in engine(make_checkpoint(), seed=7).spec(task).settings) is keyed


def test_the_spec_names_engine_libraries_and_batch(make_checkpoint: Make) -> None:
    task = TaskSpec(name="t", version="1", kind="choice", scale="binary", metric="acc")
    one = engine(make_checkpoint(), batch_size=3, engine="huggingface", engine_args={"max_length": 32})
    spec = one.spec(task)
    assert isinstance(spec, EngineSpec)
    assert (spec.name, spec.batch_size) == ("hf", 3)
    assert spec.settings == {"softmax_dtype": "float32", "max_length": 32}
    assert [part.split()[0] for part in spec.version.split(", ")] == ["lm_eval", "transformers", "torch"]
    assert one.model.context_length == 32
    assert one.recorded()["device"] in ("cpu", "cuda")


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def test_log_likelihoods_of_a_bfloat16_model_are_summed_in_float32(
    make_checkpoint: Make, lm_eval_run: Any
) -> None:
    """lm-eval's default sums in bfloat16: few distinct values, and ties that no model made."""
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = make_checkpoint(dtype="bfloat16", initializer_range=0.5)
    words = (" a", " b", " c", " d", " e", " f", " St", "op", "!", ".")
    pairs = [("Q: a b", first + second) for first in words for second in words]
    one = engine(model)
    assert one.model.dtype == "bfloat16"
    (answers,) = one.answer([[Loglikelihood(context=c, continuation=w) for c, w in pairs]])
    ours = [answer.value for answer in answers if isinstance(answer, Logprob)]

    def as_bfloat16(value: float) -> float:
        return float(torch.tensor(value).to(torch.bfloat16))

    theirs_lm = HFLM(pretrained=str(model), device="cpu", dtype="bfloat16", batch_size=8)
    asked = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=i) for i, pair in enumerate(pairs)
    ]
    theirs = [value for value, _ in theirs_lm.loglikelihood(asked, disable_tqdm=True)]
    assert all(value == as_bfloat16(value) for value in theirs)
    assert sum(value == as_bfloat16(value) for value in ours) < 5
    assert len(set(ours)) > len(set(theirs))
    assert ours == pytest.approx(theirs, abs=0.5)


def test_a_dtype_that_was_asked_for_is_used(make_checkpoint: Make) -> None:
    model = make_checkpoint(initializer_range=0.5)
    asked = [[Loglikelihood(context="Q: a", continuation=" b c")]]
    whole, half = (engine(model, dtype=dtype) for dtype in (None, "bf16"))
    assert (whole.model.dtype, half.model.dtype) == ("float32", "bfloat16")
    ((a,),), ((b,),) = whole.answer(asked), half.answer(asked)
    assert isinstance(a, Logprob)
    assert isinstance(b, Logprob)
    assert 0 < abs(a.value - b.value) < 0.5


@pytest.fixture
def lora(tmp_path: Path) -> Callable[[Path], Path]:
    """An adapter for the model in a folder, with random weights."""

    def make(base: Path, name: str = "lora", seed: int = 5) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        torch.manual_seed(seed)
        config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(AutoModelForCausalLM.from_pretrained(str(base)), config).save_pretrained(
            str(tmp_path / name)
        )
        return tmp_path / name

    return make


PEFT_IS_BEHIND = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@PEFT_IS_BEHIND
def test_an_adapter_changes_answers_and_key(make_checkpoint: Make, lora: Callable[[Path], Path]) -> None:
    base = make_checkpoint(initializer_range=0.5)
    added = lora(base)
    asked = [[Loglikelihood(context="Q: a b", continuation=" c d")]]
    plain, tuned = engine(base), engine(f"{base}+{added}")
    assert plain.model.fingerprint != tuned.model.fingerprint
    assert (tuned.model.adapter, tuned.model.source) == (str(added), str(base))
    ((before,),), ((after,),) = plain.answer(asked), tuned.answer(asked)
    assert isinstance(before, Logprob)
    assert isinstance(after, Logprob)
    assert abs(before.value - after.value) > 1e-3


@PEFT_IS_BEHIND
def test_an_adapter_that_lacks_weights_is_refused(
    make_checkpoint: Make, lora: Callable[[Path], Path]
) -> None:
    """PEFT would go on with weights that do nothing."""
    from safetensors.torch import load_file, save_file

    base = make_checkpoint()
    added = lora(base)
    tensors = load_file(added / "adapter_model.safetensors")
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, added / "adapter_model.safetensors")
    with pytest.raises(
        ModelError, match=rf"cannot be loaded by engine {ENGINE} \(Found missing adapter keys"
    ):
        engine(f"{base}+{added}").answer([[Loglikelihood(context="Q:", continuation=" a")]])


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────


def test_broken_weights_leave_an_incomplete_run_and_a_message(
    make_checkpoint: Make, edit_weights: Callable[..., None], piqa: Path, tmp_path: Path
) -> None:
    model = make_checkpoint("broken")
    edit_weights(model, lambda tensors: tensors["model.norm.weight"].fill_(math.nan))
    with pytest.raises(
        IncompleteRun, match=r"6 of 6 rows have no answer \(instance 0: the model's logits are nan\)"
    ):
        evaluate(str(model), tasks="piqa", data=str(piqa), store=tmp_path / "runs")
    (run,) = Store(tmp_path / "runs").runs()
    assert (run.manifest, run.rows) == (None, 6)


def test_the_chunk_size_changes_no_answer(make_checkpoint: Make, piqa: Path, tmp_path: Path) -> None:
    model = str(make_checkpoint())
    tables = []
    for size in (2, 6):
        given: dict[str, Any] = {"data": str(piqa), "chunk_size": size, "batch_size": 1, "engine": ENGINE}
        (folder,) = evaluate(model, tasks="piqa", store=tmp_path / f"runs{size}", **given)
        tables.append(read_run(folder).predictions)
    few, many = (table.drop_columns(ROUNDED) for table in tables)
    assert few.equals(many)
    for name in ROUNDED:  # other neighbours in the local engine, so other last digits
        first, second = (np.array(table[name].to_pylist()) for table in tables)
        assert np.abs(first - second).max() < 2e-4


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Models in memory at the moment each one is loaded, itself included."""
    from regress.engines import facts

    held: list[weakref.ref[Any]] = []
    counts: list[int] = []
    original = facts.TellingHFLM.__init__

    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        counts.append(1 + sum(model() is not None for model in held))
        original(self, *args, **kwargs)
        held.append(weakref.ref(self.model))

    monkeypatch.setattr(facts.TellingHFLM, "__init__", counted)
    yield counts
    gc.collect()


def test_old_is_out_of_memory_before_new_is_loaded(
    alive: list[int], make_checkpoint: Make, piqa: Path, tmp_path: Path
) -> None:
    old, new = (str(make_checkpoint(name, seed=seed)) for seed, name in enumerate(("old", "new")))
    gc.disable()  # no lucky collection: `close` has to see to it
    try:
        compare(old, new, tasks="piqa", data=str(piqa), store=tmp_path / "runs")
    finally:
        gc.enable()
    assert alive == [1, 1]


def test_a_finished_run_loads_no_model(
    alive: list[int], make_checkpoint: Make, piqa: Path, tmp_path: Path
) -> None:
    model = str(make_checkpoint())
    first, second = (evaluate(model, tasks="piqa", data=str(piqa), store=tmp_path / "runs") for _ in range(2))
    assert first == second
    assert alive == [1]


# ── engines that hide their weights ──────────────────────────────────────────────────────────────


def test_a_hidden_model_is_run_again_and_reused_only_by_path(piqa: Path, tmp_path: Path) -> None:
    """lm-eval's `dummy` answers at random: a rerun is the next replica, and rows are never shared."""
    given: dict[str, Any] = {
        "tasks": "piqa",
        "data": str(piqa),
        "engine": "dummy",
        "store": tmp_path / "runs",
    }
    (first,), (second,) = evaluate("somewhere", **given), evaluate("somewhere", **given)
    assert first != second
    runs = [read_run(path) for path in (first, second)]
    assert [run.spec.replica for run in runs] == [0, 1]
    assert [run.spec.model.fingerprint for run in runs] == [None, None]
    assert [run.spec.model.tokenizer for run in runs] == [None, None]
    assert not runs[0].predictions.equals(runs[1].predictions)
    by_path = compare(str(first), str(second), store=tmp_path / "runs")
    assert by_path.tasks[0].n == 6
    assert len(Store(tmp_path / "runs").runs()) == 2
    compare("somewhere", str(second), **given)
    assert sorted(run.spec.replica for run in Store(tmp_path / "runs").runs()) == [0, 1, 2]


def test_a_hidden_model_tells_no_facts(piqa: Path) -> None:
    ((answer,),) = engine("somewhere", engine="dummy").answer([[Generation(prompt="Q")]])
    assert answer == Text(text="lol")


def test_a_tokenizer_that_knows_more_words_than_the_model(make_checkpoint: Make) -> None:
    with pytest.raises(EngineError, match=rf"engine {ENGINE} failed on .* \(IndexError"):
        engine(make_checkpoint(vocab_size=5)).answer([[Generation(prompt="Q: a")]])


def test_engines_that_fail_as_a_whole_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection, a broken assertion: whatever the engine of somebody else raises."""
    from lm_eval.models.dummy import DummyLM

    def refuse(self: Any, requests: Any, **_: Any) -> Any:
        raise ConnectionRefusedError("nobody listens there")

    monkeypatch.setattr(DummyLM, "generate_until", refuse)
    with pytest.raises(EngineError, match=r"engine dummy .* \(.*nobody listens there\)"):
        engine("somewhere", engine="dummy").answer([[Generation(prompt="Q")]])
