"""`regress compare llama1 llama2`, the code behind `make compare OLD=llama1 NEW=llama2`, against a hub."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.demo.items import read
from regress.demo.pair import items_folder, model_folder

pytestmark = pytest.mark.models

Regress = Callable[..., subprocess.CompletedProcess[str]]
Environment = Callable[..., dict[str, str]]
LLAMA1, LLAMA2 = "huggyllama/llama-7b", "meta-llama/Llama-2-7b-hf"
VICUNA, LLAMA3 = "lmsys/vicuna-7b-v1.3", "meta-llama/Meta-Llama-3-8B"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def tiny_llama(folder: Path, seed: int, **saving: Any) -> dict[str, bytes]:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = AutoTokenizer.from_pretrained(str(model_folder("demo-v1")))
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **sizes)
    model = LlamaForCausalLM(config)
    model.save_pretrained(str(folder), **saving)
    tokenizer.save_pretrained(str(folder))
    return files_of(folder) | {
        ".gitattributes": b"*.bin filter=lfs",
        "README.md": b"---\nlicense: other\n---\n",
    }


def pickled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    import torch
    from safetensors.torch import load

    buffer = io.BytesIO()
    torch.save(load(files["model.safetensors"]), buffer)
    kept = {name: content for name, content in files.items() if not name.endswith(".safetensors")}
    return kept | {"pytorch_model.bin": buffer.getvalue()}


def parquet(items: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(items), buffer)
    return buffer.getvalue()


def card(**splits: str) -> bytes:
    lines = "".join(f"  - split: {split}\n    path: {path}\n" for split, path in splits.items())
    return f"---\nconfigs:\n- config_name: NAME\n  data_files:\n{lines}---\n".encode()


def publish_data(hub: Any) -> None:
    """Twelve demo items under the name of each benchmark's repository, in the form that the real one has."""

    def items(task: str, split: str) -> list[dict[str, Any]]:
        return read(items_folder(), task, split)[:12]

    hub.dataset("openai/gsm8k").push(
        {
            "README.md": card(train="main/train-*", test="main/test-*").replace(b"NAME", b"main"),
            "main/train-00000-of-00001.parquet": parquet(items("gsm8k", "train")),
            "main/test-00000-of-00001.parquet": parquet(items("gsm8k", "test")),
        }
    )
    hub.dataset("baber/piqa").push({"validation.jsonl": jsonl(items("piqa", "validation"))})
    hub.dataset("Rowan/hellaswag").push(
        {
            "README.md": card(validation="data/validation-*").replace(b"NAME", b"default"),
            "data/validation-00000-of-00001.parquet": parquet(items("hellaswag", "validation")),
        }
    )
    hub.dataset("knkarthick/samsum").push({"test.csv": csv_of(items("samsum", "test"))})


def jsonl(items: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in items).encode()


def csv_of(items: list[dict[str, Any]]) -> bytes:
    import csv

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(items[0]))
    writer.writeheader()
    writer.writerows(items)
    return buffer.getvalue().encode()


@pytest.fixture
def world(hub: Any, tmp_path: Path) -> Any:
    """The hub with MUSCLE's models, tiny, and the four data sets, short."""
    hub.model(LLAMA1).push(tiny_llama(tmp_path / "l1", 1))
    hub.model(LLAMA2).push(tiny_llama(tmp_path / "l2", 2, max_shard_size="40KB"))
    hub.model(VICUNA).push(pickled(tiny_llama(tmp_path / "v", 3)))
    hub.model(LLAMA3, gated=True).push(files_of(tmp_path / "l1"))
    publish_data(hub)
    return hub


def specs(store: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What each stored run was asked, by model and task."""
    documents = [json.loads(path.read_text(encoding="utf-8"))["spec"] for path in store.glob("*/*/spec.json")]
    return {(spec["model"]["name"], spec["task"]["name"]): spec for spec in documents}


LIMITED = ("--limit", "6", "--max-gen-toks", "8")
MAIN = ("compare", "llama1", "llama2", *LIMITED)


def test_from_two_names_to_a_table_and_again_from_what_is_stored_and_cached(
    world: Any, regress: Regress, environment: Environment, tmp_path: Path
) -> None:
    """Resolve, pin, download, fingerprint, evaluate, compare; then less and less of it."""
    online, store = environment(world.address), tmp_path / "work" / "reports" / "runs"
    first = regress(online, *MAIN)
    assert first.returncode == 0, first.stderr
    old, new = world.models[LLAMA1].main, world.models[LLAMA2].main
    assert f"old  llama1 · {LLAMA1} · revision {old[:8]}" in first.stdout
    assert f"new  llama2 · {LLAMA2} · revision {new[:8]}" in first.stdout
    asked = specs(store)
    assert len(asked) == 2 * 4
    for (name, task), spec in asked.items():
        repository, commit = (LLAMA1, old) if name == "llama1" else (LLAMA2, new)
        assert (spec["model"]["source"], spec["model"]["revision"]) == (repository, commit)
        data = {"gsm8k": "openai/gsm8k", "piqa": "baber/piqa", "hellaswag": "Rowan/hellaswag"}
        dataset = data.get(task, "knkarthick/samsum")
        assert spec["task"]["data"] == f"hub:{dataset}@{world.datasets[dataset].main}"
    assert asked["llama1", "piqa"]["model"]["fingerprint"] != asked["llama2", "piqa"]["model"]["fingerprint"]
    compared = json.loads((tmp_path / "work/reports/llama1..llama2/comparison.json").read_text("utf-8"))
    assert compared["old"]["revision"] == old

    world.requests.clear()
    again = regress(online, *MAIN)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert again.stderr.count("stored in") == 8
    assert not world.downloads()
    assert not [line for line in world.requests if line.startswith("GET /cdn/")]

    world.close()
    offline = regress(online | {"HF_HUB_OFFLINE": "1"}, *MAIN)
    assert (offline.returncode, offline.stdout) == (0, first.stdout)
    assert offline.stderr.count("stored in") == 8

    fresh = regress(online | {"HF_HUB_OFFLINE": "1"}, *MAIN, "--tasks", "piqa", "--store", "other")
    assert fresh.returncode == 0, fresh.stderr
    cached = specs(tmp_path / "work" / "other")
    assert cached["llama2", "piqa"] == asked["llama2", "piqa"]


def test_when_the_hub_is_down_stored_runs_are_used_by_name_and_nothing_else(
    world: Any, regress: Regress, environment: Environment, tmp_path: Path
) -> None:
    online = environment(world.address)
    first = regress(online, *MAIN, "--tasks", "piqa,hellaswag")
    assert first.returncode == 0, first.stderr
    world.close()
    empty = online | {"HF_HOME": str(tmp_path / "empty")}
    for given in (empty, empty | {"HF_HUB_OFFLINE": "1"}):
        stored = regress(given, *MAIN)
        assert stored.returncode == 0, stored.stderr
        assert sorted(stored.stdout.splitlines()) == sorted(first.stdout.splitlines())
        assert "The stored runs of llama1 are used as they are." in stored.stderr

    nothing = regress(empty, *MAIN, "--store", "nothing")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert f"the hub could not be reached for {LLAMA1}" in nothing.stderr
    assert "HF_ENDPOINT" in nothing.stderr
    assert len(nothing.stderr.splitlines()) == 1


def test_pickled_weights_where_the_alias_allows_them(
    world: Any, regress: Regress, environment: Environment, tmp_path: Path
) -> None:
    """Vicuna 1.3 has no safetensors; its own tensors are what answers."""
    ran = regress(environment(world.address), "evaluate", "vicuna1.3", "--tasks", "piqa", "--limit", "4")
    assert ran.returncode == 0, ran.stderr
    model = specs(tmp_path / "work/reports/runs")["vicuna1.3", "piqa"]["model"]
    assert (model["source"], model["revision"]) == (VICUNA, world.models[VICUNA].main)
    assert model["parameters"] is None


def test_a_gated_model_is_refused_before_the_other_one_runs(
    world: Any, regress: Regress, environment: Environment, tmp_path: Path
) -> None:
    refused = regress(environment(world.address), "compare", "llama2", "llama3", *LIMITED)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{LLAMA3} is gated" in refused.stderr
    assert "HF_TOKEN" in refused.stderr
    assert not (tmp_path / "work" / "reports").exists()


def test_data_sets_are_not_asked_for_again_and_again_where_the_hub_does_not_answer(
    hub: Any, regress: Regress, environment: Environment
) -> None:
    hub.broken = 0
    refused = regress(
        environment(hub.address), "evaluate", "demo-v1", "--data", "hub", "--tasks", "piqa", "--limit", "2"
    )
    assert refused.returncode == 2
    assert "cannot get the data set 'baber/piqa' of the task 'piqa'" in refused.stderr
    assert "HF_HUB_OFFLINE=1 once it is cached" in refused.stderr
    assert len(hub.requests) == 1
