"""From settings to an engine: refused early and by name, loaded late, never unpickled."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.config import Settings
from regress.engines import machine
from regress.engines.harness import HarnessEngine
from regress.engines.open import check_engine, open_engine
from regress.errors import EngineError, ModelError, NotEnoughMemory, UnknownName, UsageError
from regress.types import Generation, Loglikelihood, Logprob

pytestmark = pytest.mark.models

Make = Callable[..., Path]
ASKED = [[Loglikelihood(context="Q: a", continuation=" b")]]


def engine(folder: Path | str, **settings: Any) -> HarnessEngine:
    opened = open_engine(str(folder), Settings(**settings), {})
    assert isinstance(opened, HarnessEngine)
    return opened


def refuses(folder: Path, said: str, error: type[Exception], **settings: Any) -> None:
    """Both before anything runs and when it is opened."""
    for ask in (check_engine, open_engine):
        with pytest.raises(error, match=said):
            ask(str(folder), Settings(**settings), {})


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "vlllm"}, r"unknown engine 'vlllm'; did you mean 'vllm'"),
        ({"dtype": "float31"}, r"unknown dtype 'float31'; did you mean 'float32'"),
        ({"device": "cdua"}, r"unknown device 'cdua'; did you mean 'cuda'"),
        ({"device": "meta"}, r"unknown device 'meta'"),
    ],
)
def test_a_slip_gets_the_nearest_name(settings: dict[str, Any], said: str, make_checkpoint: Make) -> None:
    refuses(make_checkpoint(), said, UnknownName, **settings)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_device_that_is_not_there(device: str, make_checkpoint: Make) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    refuses(make_checkpoint(), f"device {device} is not there", UsageError, device=device)


def test_a_gpu_with_too_high_a_number(make_checkpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """lm-eval would quietly take the first one."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    refuses(make_checkpoint(), r"device cuda:2 is not there.*cuda:0, cuda:1", UsageError, device="cuda:2")


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_the_cpu_has_one_name(device: str, make_checkpoint: Make) -> None:
    assert engine(make_checkpoint(), device=device).recorded()["device"] == "cpu"


@pytest.mark.parametrize(
    ("short", "name"), [("fp32", "float32"), ("torch.bfloat16", "bfloat16"), ("half", "float16")]
)
def test_dtypes_have_short_names(short: str, name: str, make_checkpoint: Make) -> None:
    assert engine(make_checkpoint(), dtype=short).model.dtype == name


# ── chat templates ───────────────────────────────────────────────────────────────────────────────

PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
LOUD = "{% for m in messages %}{{ m.content | upper }}!{% endfor %}"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
def templated(make_checkpoint: Make, tokenizer: Any) -> Callable[..., Path]:
    def make(template: Any, name: str = "chatty") -> Path:
        tokenizer.chat_template = template
        return make_checkpoint(name)

    return make


def test_without_being_asked_no_template_is_applied(templated: Callable[..., Path]) -> None:
    opened = engine(templated(PLAIN))
    assert (opened.chat, opened.model.chat_template) == (None, None)


def test_auto_is_the_tokenizers_own_if_it_has_one(templated: Callable[..., Path]) -> None:
    opened = engine(templated(PLAIN), chat_template="auto")
    assert opened.chat is not None
    assert opened.chat(MESSAGES) == "user: hi\n"
    assert (opened.model.chat_template or "").startswith("default#")
    without = engine(templated(None, "mute"), chat_template="auto")
    assert (without.chat, without.model.chat_template) == (None, None)


def test_a_template_by_name(templated: Callable[..., Path]) -> None:
    folder = templated({"default": PLAIN, "loud": LOUD})
    loud, auto = engine(folder, chat_template="loud"), engine(folder, chat_template="auto")
    assert loud.chat is not None
    assert auto.chat is not None
    assert (loud.chat(MESSAGES), auto.chat(MESSAGES)) == ("HI!", "user: hi\n")
    assert (loud.model.chat_template or "").startswith("loud#")
    with pytest.raises(UnknownName, match="unknown chat template 'lound'; did you mean 'loud'"):
        engine(folder, chat_template="lound")


def test_auto_does_not_guess_among_several_templates(templated: Callable[..., Path]) -> None:
    folder = templated({"quiet": PLAIN, "loud": LOUD})
    with pytest.raises(UsageError, match=r"several chat templates.*loud, quiet"):
        engine(folder, chat_template="auto")


def test_another_template_is_another_key(templated: Callable[..., Path]) -> None:
    one, other = (
        engine(templated(text, name), chat_template="auto") for text, name in ((PLAIN, "a"), (LOUD, "b"))
    )
    assert one.model.chat_template != other.model.chat_template
    assert (one.model.fingerprint, one.model.tokenizer) == (other.model.fingerprint, other.model.tokenizer)


def test_an_answer_already_begun_gets_no_generation_prompt(templated: Callable[..., Path]) -> None:
    text = PLAIN.strip() + "{% if add_generation_prompt %}assistant:{% endif %}"
    chat = engine(templated(text), chat_template="auto").chat
    assert chat is not None
    assert chat(MESSAGES).endswith("assistant:")
    begun = [*MESSAGES, {"role": "assistant", "content": "The answer is"}]
    assert chat(begun, add_generation_prompt=False).endswith("The answer is")


def test_the_system_text_is_part_of_the_key(make_checkpoint: Make) -> None:
    assert engine(make_checkpoint(), system="Be brief.").model.system == "Be brief."


# ── memory ───────────────────────────────────────────────────────────────────────────────────────


def test_weights_that_do_not_fit_are_not_loaded(
    make_checkpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in the type they are loaded in, at the first answer: what is stored needs no memory."""
    folder = make_checkpoint()
    opened = engine(folder)
    assert opened.model.parameters is not None
    monkeypatch.setattr(machine, "free_memory", lambda device: opened.model.parameters * 4 - 1)
    with pytest.raises(NotEnoughMemory, match=r"GiB for its weights in float32.*--dtype"):
        opened.answer(ASKED)
    assert engine(folder, dtype="bfloat16").answer(ASKED)


def test_pickled_weights_count_by_their_size(
    pickled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda device: 10)
    with pytest.raises(NotEnoughMemory):
        engine(pickled(), allow_bin=True).answer(ASKED)


def test_running_out_of_memory_later_says_what_to_do(
    make_checkpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.engines.facts import TellingHFLM

    def exhausted(self: Any, *_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(TellingHFLM, "_model_call", exhausted)
    with pytest.raises(EngineError, match=r"ran out of memory with batches of 64 .*--batch-size"):
        engine(make_checkpoint()).answer(ASKED)


# ── what is loaded ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def pickled(make_checkpoint: Make) -> Callable[..., Path]:
    def make(name: str = "pickled", content: Any = None) -> Path:
        import torch
        from safetensors.torch import load_file

        folder = make_checkpoint(name)
        weights = folder / "model.safetensors"
        if content is None:
            torch.save(load_file(weights), folder / "pytorch_model.bin")
        else:
            (folder / "pytorch_model.bin").write_bytes(content)
        weights.unlink()
        return folder

    return make


def test_pickled_weights_are_refused_unless_allowed_and_then_the_same(
    pickled: Callable[..., Path], make_checkpoint: Make
) -> None:
    folder, safe = pickled(), make_checkpoint("safe")
    refuses(folder, r"only pickled weights .*--allow-bin", ModelError)
    ((ours,),) = engine(folder, allow_bin=True).answer(ASKED)
    ((same,),) = engine(safe).answer(ASKED)
    assert ours == same
    assert isinstance(ours, Logprob)


class Attack:
    """A pickle that makes a file when it is loaded carelessly."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_a_malicious_pickle_does_not_run(pickled: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "attacked"
    folder = pickled(content=pickle.dumps({"model.norm.weight": Attack(target)}))
    with pytest.raises(ModelError, match=r"something else than tensors"):
        engine(folder, allow_bin=True).answer(ASKED)
    assert not target.exists()
    pickle.loads((folder / "pytorch_model.bin").read_bytes())
    assert target.exists()  # the attack is real


def test_a_malicious_zipped_pickle_does_not_run(pickled: Callable[..., Path], tmp_path: Path) -> None:
    import torch

    target, folder = tmp_path / "attacked", pickled()
    torch.save({"model.norm.weight": Attack(target)}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"something else than tensors"):
        engine(folder, allow_bin=True).answer(ASKED)
    assert not target.exists()


def test_python_beside_a_checkpoint_runs_only_if_trusted(make_checkpoint: Make, tmp_path: Path) -> None:
    folder, ran = make_checkpoint(), tmp_path / "ran"
    (folder / "own.py").write_text(f"import pathlib; pathlib.Path({str(ran)!r}).touch()\nclass C: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.C"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"Python code of its own.*--trust-remote-code"):
        engine(folder).answer(ASKED)
    assert not ran.exists()


@pytest.mark.parametrize("text", ["{", "{}", '{"version": "1.0", "model": {"type": "Nothing"}}'])
def test_a_tokenizer_that_cannot_be_read(text: str, make_checkpoint: Make) -> None:
    folder = make_checkpoint()
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=r"the tokenizer of .* cannot be loaded"):
        engine(folder)


def test_weights_that_are_not_those_of_the_configuration(make_checkpoint: Make, edit_weights: Any) -> None:
    """Missing tensors would be filled with random numbers, and answered with."""
    folder = make_checkpoint()
    edit_weights(folder, lambda tensors: tensors.pop("model.layers.0.mlp.up_proj.weight"))
    with pytest.raises(ModelError, match=r"lacks .*model\.layers\.0\.mlp\.up_proj\.weight"):
        engine(folder).answer(ASKED)


def test_weights_of_another_shape(make_checkpoint: Make) -> None:
    folder = make_checkpoint()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 96}))
    with pytest.raises(ModelError, match="cannot be loaded by engine local"):
        engine(folder).answer(ASKED)


def test_an_unknown_architecture(make_checkpoint: Make) -> None:
    folder = make_checkpoint()
    (folder / "config.json").write_text('{"model_type": "nothing_like_it"}')
    with pytest.raises(ModelError, match="cannot be loaded"):
        engine(folder)


# ── engine arguments ─────────────────────────────────────────────────────────────────────────────


def test_an_argument_that_the_engine_does_not_take(make_checkpoint: Make) -> None:
    with pytest.raises(ModelError, match=r"cannot be loaded by engine local .*--engine-args"):
        engine(make_checkpoint(), engine_args={"no_such_argument": 1}).answer(ASKED)


@pytest.mark.parametrize(
    "name", ["pretrained", "softmax_dtype", "dtype", "device", "batch_size", "peft", "weights_only"]
)
def test_an_argument_that_regress_sets_itself_is_refused(name: str, make_checkpoint: Make) -> None:
    """`--engine-args pretrained=…` would run another model than the one that is named and hashed."""
    with pytest.raises(UsageError, match=f"engine argument {name!r}"):
        engine(make_checkpoint(), engine_args={name: "x"})


def test_an_argument_without_a_json_form(make_checkpoint: Make) -> None:
    with pytest.raises(EngineError, match="cannot be recorded"):
        engine(make_checkpoint(), engine_args={"x": object()})


def test_quantisation_asked_of_the_engine_is_said(make_checkpoint: Make) -> None:
    assert engine(make_checkpoint(), engine_args={"autogptq": True}).model.quantization == "autogptq"


def test_a_quantisation_that_transformers_no_longer_takes_is_refused_before_anything_runs(
    make_checkpoint: Make,
) -> None:
    with pytest.raises(UsageError, match=r"load_in_8bit.*Save a quantised copy"):
        check_engine(str(make_checkpoint()), Settings(engine_args={"load_in_8bit": True}), {})


@pytest.mark.parametrize(
    "settings",
    [{"dtype": "float32"}, {"chat_template": "auto"}, {"device": "cpu"}, {"trust_remote_code": True}],
)
def test_what_an_engine_that_hides_its_model_cannot_be_told(settings: dict[str, Any]) -> None:
    (name,) = settings
    option = "--" + name.replace("_", "-")
    with pytest.raises(UsageError, match=rf"{option} was given with engine dummy"):
        engine("somewhere", engine="dummy", **settings)


def test_an_engine_whose_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'mamba_ssm'")

    monkeypatch.setattr("lm_eval.api.registry.get_model", missing)
    with pytest.raises(EngineError, match=r"engine mamba_ssm cannot be used here \(No module named"):
        engine("somewhere", engine="mamba_ssm").answer([[Generation(prompt="Q")]])


@pytest.mark.parametrize(("name", "takes"), [("local-completions", True), ("dummy", False)])
def test_an_engine_that_samples_elsewhere_is_told_the_seed(
    name: str, takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its reruns with another seed would be the same again."""
    given: dict[str, Any] = {}

    def build(engine: str, arguments: dict[str, Any], model: str) -> Any:
        given.update(arguments)
        raise EngineError("enough")

    monkeypatch.setattr("regress.engines.open._build", build)
    with pytest.raises(EngineError, match="enough"):
        engine("somewhere", engine=name, seed=7).answer([[Generation(prompt="Q")]])
    assert given.get("seed") == (7 if takes else None)


def test_a_seed_among_the_engine_arguments_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        "regress.engines.open._build", lambda engine, arguments, model: given.update(arguments)
    )
    with pytest.raises(EngineError):
        engine("somewhere", engine="local-completions", engine_args={"seed": 3}).answer(
            [[Generation(prompt="Q")]]
        )
    assert given["seed"] == 3
