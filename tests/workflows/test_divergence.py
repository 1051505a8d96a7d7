"""`regress divergence` end to end: the built-in pair, real small models, and everything that is refused."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import regress
from regress.errors import DataError, MissingExtra, NotComparable, UnknownName, UsageError
from regress.workflows.progress import Advanced, Started
from regress.workflows.readings import of_file

pytestmark = pytest.mark.models

TEXT = "Tom has 3 red pens and buys 4 more. How many pens does Tom have now?\n" * 40


@pytest.fixture
def text(here: Path) -> Path:
    file = here / "text.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


# ── the built-in pair ────────────────────────────────────────────────────────────────────────────


def test_the_built_in_pair_over_a_text(text: Path, watched: Any) -> None:
    found = regress.divergence("demo-v1", "demo-v2", text=text, window=64, progress=watched)
    (row,) = found.rows
    assert (found.old.name, found.new.name) == ("demo-v1", "demo-v2")
    assert (found.window, found.stride) == (64, 32)
    assert (row.source, row.unit, row.warnings) == (str(text), "window", ())
    assert row.kld.low <= row.kld.value <= row.kld.high
    assert row.kld_quantiles[0.0] >= 0
    assert 0 < row.same_top.value < 1
    assert row.ratio.value == pytest.approx(row.new_perplexity.value / row.old_perplexity.value)
    (started,) = watched.of(Started)
    assert (started.total, started.counted) == (row.units, "windows")
    assert [event.done for event in watched.of(Advanced)] == list(range(1, row.units + 1))


def test_every_token_of_a_text_is_measured_once_whatever_the_window(text: Path) -> None:
    whole = regress.divergence("demo-v1", "demo-v1", text=text, window=64)
    for window, stride in ((64, 1), (32, 31), (17, None)):
        found = regress.divergence("demo-v1", "demo-v1", text=text, window=window, stride=stride)
        assert found.rows[0].tokens == whole.rows[0].tokens
        assert found.rows[0].kld_quantiles[1.0] == 0  # itself


def test_over_prompts_the_first_instances_of_each_task_are_read(here: Path) -> None:
    found = regress.divergence("demo-v1", "demo-v2", tasks="gsm8k,piqa", limit=6)
    gsm8k, piqa = found.rows
    assert (gsm8k.source, gsm8k.unit, gsm8k.units) == ("gsm8k", "instance", 6)
    assert (piqa.source, piqa.unit, piqa.units) == ("piqa", "cluster", 6)
    assert {notice.code for notice in gsm8k.warnings} == {"few-units"}


def test_worked_examples_before_every_question_count_once(here: Path) -> None:
    """With them six prompts are mostly the same text, which must not be six times as sure."""
    few = regress.divergence("demo-v1", "demo-v2", tasks="gsm8k", limit=6, num_fewshot=0).rows[0]
    many = regress.divergence("demo-v1", "demo-v2", tasks="gsm8k", limit=6, num_fewshot=4).rows[0]
    assert many.repeated > 2 * many.tokens
    assert few.tokens < many.tokens < 3 * few.tokens


def test_the_two_sides_can_differ_in_their_number_format(text: Path) -> None:
    found = regress.divergence("demo-v1", "demo-v1", text=text, new_settings={"dtype": "bfloat16"})
    assert (found.old.dtype, found.new.dtype) == ("float32", "bfloat16")
    assert 1e-7 < found.rows[0].kld.value < 1e-2


def test_double_precision_leaves_what_single_precision_rounds(text: Path) -> None:
    """A divergence far below what float32 sums can tell from 0, and none of it negative."""
    (row,) = regress.divergence("demo-v1", "demo-v1", text=text, new_settings={"dtype": "float64"}).rows
    assert 0 < row.kld.value < 1e-9
    assert row.kld_quantiles[0.0] >= 0
    assert row.same_top.value == 1


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft's own
def test_an_adapter_is_loaded_as_everywhere(text: Path, here: Path) -> None:
    """One that nobody trained changes nothing, to the last digit."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from regress.demo.pair import model_folder

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(str(model_folder("demo-v1")))
    tuned = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    tuned.save_pretrained(str(here / "adapter"))
    found = regress.divergence("demo-v1", f"demo-v1+{here / 'adapter'}", text=text)
    assert found.new.adapter
    assert found.rows[0].kld_quantiles[1.0] == 0
    assert found.rows[0].delta_p_rms.value == 0


# ── beside a comparison ──────────────────────────────────────────────────────────────────────────


def test_beside_a_comparison_the_prompts_compared_are_read(here: Path, command: Any) -> None:
    asked = ("--tasks", "piqa,gsm8k", "--limit", "6", "--worst", "0")
    done = command("compare", "demo-v1", "demo-v2", *asked, "--divergence")
    assert done.code == 0, done.err
    assert done.out.index("NFR") < done.out.index("divergence of demo-v1 → demo-v2")
    folder = here / "reports" / "demo-v1..demo-v2"
    told = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["token_divergence"]
    alone = command("divergence", "demo-v1", "demo-v2", "--tasks", "piqa,gsm8k", "--limit", "6", "--json")
    assert told == json.loads(alone.out)
    assert "## Divergence" in (folder / "report.md").read_text(encoding="utf-8")


def test_stored_runs_named_by_path_find_their_models(here: Path, text: Path, command: Any) -> None:
    runs = [str(regress.evaluate(name, tasks="piqa", limit=4)[0]) for name in ("demo-v1", "demo-v2")]
    done = command("compare", *runs, "--divergence", str(text), "--json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)["token_divergence"]["rows"]
    assert row["source"] == str(text)
    assert row["estimates"]["kld"]["value"] > 0


def test_without_being_asked_a_comparison_loads_nothing_for_it(here: Path, command: Any) -> None:
    done = command("compare", "demo-v1", "demo-v2", "--tasks", "piqa", "--limit", "4", "--json")
    assert "token_divergence" not in json.loads(done.out)


def test_runs_without_texts_have_no_prompts_to_read(here: Path, command: Any) -> None:
    asked = ("--tasks", "piqa", "--limit", "4", "--no-text")
    done = command("compare", "demo-v1", "demo-v2", *asked, "--divergence")
    assert done.code == 2
    assert "the prompts of piqa are not stored. Name a text instead: --divergence FILE." in done.err


def test_a_model_that_is_no_longer_the_one_compared_is_refused(
    here: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from regress.workflows.divergence import divergence_beside

    compared = regress.compare("demo-v1", "demo-v2", tasks="piqa", limit=4)
    stale = replace(compared, new=replace(compared.new, fingerprint="0" * 64))
    with pytest.raises(NotComparable, match="the weights of demo-v2 are no longer those"):
        divergence_beside(stale, text=text)


def test_prompts_asked_in_a_chat_template_are_read_without_it_and_that_is_said(here: Path) -> None:
    from dataclasses import replace

    from regress.workflows.divergence import divergence_beside

    compared = regress.compare("demo-v1", "demo-v2", tasks="piqa", limit=4)
    chatty = replace(compared, new=replace(compared.new, system="Be brief."))
    (row,) = divergence_beside(chatty).rows
    assert "no-chat-template" in {notice.code for notice in row.warnings}


# ── real small models ────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def told(stories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text that stories260k wrote itself, and its copy in bfloat16 beside it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("stories")
    model, tokenizer = (each.from_pretrained(str(stories)) for each in (AutoModelForCausalLM, AutoTokenizer))
    torch.manual_seed(0)
    begun = torch.full((8, 1), tokenizer.bos_token_id)
    written = model.generate(begun, do_sample=True, top_k=0, max_new_tokens=200, pad_token_id=0)
    texts = [tokenizer.decode(each, skip_special_tokens=True) for each in written]
    (folder / "text.txt").write_text("\n".join(texts), encoding="utf-8")
    model.to(torch.bfloat16).save_pretrained(str(folder / "cast"))
    tokenizer.save_pretrained(str(folder / "cast"))
    return folder


@pytest.mark.shared
def test_stories_against_itself_is_exactly_zero(stories: Path, told: Path) -> None:
    (row,) = regress.divergence(str(stories), str(stories), text=told / "text.txt").rows
    assert (row.kld.value, row.kld_quantiles[1.0], row.same_top.value) == (0, 0, 1)
    assert (row.delta_p_rms.value, row.ratio.value) == (0, 1)
    assert 3 < row.old_perplexity.value < 6


@pytest.mark.shared
def test_stories_against_its_copy_in_bfloat16_moves_as_number_formats_do(stories: Path, told: Path) -> None:
    """Measured elsewhere on 24 stories: 5.4e-5 and 99.59 % with the weights rounded and the sums not."""
    copy, text = str(told / "cast"), told / "text.txt"
    (row,) = regress.divergence(str(stories), copy, text=text, dtype="float32").rows
    assert 2e-5 < row.kld.value < 2e-4
    assert row.kld_quantiles[0.0] > 0
    assert 0.985 < row.same_top.value < 1
    assert abs(math.log(row.ratio.value)) < 0.005


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no text"),
        (b" \n\t\n", "holds no text"),
        (b"\xff\xfe\x00a", "is not text (byte 0 is not UTF-8)"),
        (b"MZ\x00\x01", "is not text (character 2 is NUL)"),
    ],
)
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError) as caught:
        of_file(tmp_path / "file")
    assert message in str(caught.value)


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            of_file(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfOnce")
    assert of_file(tmp_path / "file").texts == ("Once",)


def test_a_text_of_one_token_has_nothing_to_predict(here: Path) -> None:
    (here / "one.txt").write_text("a", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"one\.txt has no token to predict from others\. Allowed: at least 2"
    ):
        regress.divergence("demo-v1", "demo-v2", text=here / "one.txt")


@pytest.mark.parametrize(
    ("window", "stride"), [(1, None), (0, None), (10**6, None), (64, 0), (64, 64), (64, -1)]
)
def test_windows_that_cannot_be(text: Path, window: int, stride: int | None) -> None:
    with pytest.raises(UsageError, match=r"(window|stride) is -?\d+\. Allowed: \d to \d+ tokens"):
        regress.divergence("demo-v1", "demo-v2", text=text, window=window, stride=stride)


def test_a_text_and_tasks_are_two_questions(text: Path) -> None:
    with pytest.raises(UsageError, match="both a text and tasks"):
        regress.divergence("demo-v1", "demo-v2", text=text, tasks="piqa")


def test_a_chat_template_is_refused_unless_it_is_only_a_habit(here: Path, text: Path) -> None:
    with pytest.raises(UsageError, match="over texts as they are"):
        regress.divergence("demo-v1", "demo-v2", text=text, chat_template="auto")
    (here / "regress.toml").write_text('[defaults]\nchat_template = "auto"\nsystem = "Be brief."\n')
    assert regress.divergence("demo-v1", "demo-v2", text=text).old.system is None


def test_a_model_that_nobody_knows(text: Path) -> None:
    with pytest.raises(UnknownName, match="unknown model 'demo-v3'; did you mean"):
        regress.divergence("demo-v1", "demo-v3", text=text)


def test_where_models_cannot_run_it_says_what_to_install(text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.models", None)
    with pytest.raises(MissingExtra, match=r"regress-harness\[models\]"):
        regress.divergence("demo-v1", "demo-v2", text=text)
