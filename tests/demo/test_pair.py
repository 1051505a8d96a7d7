"""Names and folders of the built-in pair, readable without the weights wing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from regress.demo.pair import MODELS, is_demo, items_folder, model_folder
from regress.errors import UnknownName

SPECIAL = {"pad": "<pad>", "bos": "<s>", "eos": "</s>"}


def test_old_comes_before_new():
    assert MODELS == ("demo-v1", "demo-v2")


def test_only_the_two_are_demo_models():
    assert [is_demo(name) for name in (*MODELS, "demo", "gpt2", "")] == [True, True, False, False, False]


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'demo-v1'"):
        model_folder("demo-v11")


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_holds_the_whole_checkpoint(name):
    held = {path.name for path in model_folder(name).iterdir()}
    assert held == {
        "README.md", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip


def test_both_models_share_one_tokenizer():
    for file in ("tokenizer.json", "tokenizer_config.json"):
        old, new = ((model_folder(name) / file).read_bytes() for name in MODELS)
        assert old == new


@pytest.mark.parametrize("name", MODELS)
def test_the_card_says_what_the_figures_are_not(name):
    card = (model_folder(name) / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in card
    assert "Demo items, not the benchmarks" in card


def test_the_pair_stays_small():
    size = sum(path.stat().st_size for root in map(model_folder, MODELS) for path in root.iterdir())
    assert size + sum(path.stat().st_size for path in items_folder().glob("*/*")) < 12_000_000


@pytest.mark.parametrize("name", MODELS)
def test_the_config_names_the_special_tokens_of_the_tokenizer(name):
    folder = model_folder(name)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    assert ids == {token: config[f"{name}_token_id"] for name, token in SPECIAL.items()}
    assert config["vocab_size"] == len(tokenizer["model"]["vocab"])


def test_asking_where_the_pair_lies_needs_no_weights_wing():
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['torch', 'transformers', 'lm_eval', 'datasets', 'tokenizers'])\n"
        "from regress.demo import items, pair, stages\n"
        "print(pair.model_folder('demo-v1').name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "demo-v1\n"
