"""Why the softmax is float32: log-likelihoods of a bfloat16 model as lm-eval sums them, and as we do.

Many choices of one context, each likelihood compared with a float32 log-softmax of the same
bfloat16 logits. lm-eval's `hf` takes softmax and sum in the model's type unless it is told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regress.types import Loglikelihood

from .bench import REFERENCE, Bench
from .processes import Child, elsewhere
from .side import Side
from .workloads import hellaswag

CHOICES = 120


def bf16_softmax(bench: Bench) -> str:
    """The three (or four) ways, one a line."""
    n = 8 if bench.tiny else CHOICES
    folder = bench.model("gpt2")
    (requests,) = hellaswag(bench.writer("gpt2"), 1, choices=n)
    pairs = [(r.context, r.continuation) for r in requests if isinstance(r, Loglikelihood)]
    exact = elsewhere(_float32_softmax, folder, pairs, bench.device)
    sides = {"lm-eval's hf, as it comes": elsewhere(_plain_hf, folder, pairs, bench.device)}
    for engine in dict.fromkeys((REFERENCE, bench.ours)):
        sides[f"regress, engine {engine}"] = _regress(bench, engine, folder, requests)
    lines = [f"{n} choices, GPT-2 size, bfloat16: log-likelihoods", ""]
    lines.append(f"{'':28s}{'distinct':>10s}{'largest difference':>22s}")
    lines.append(f"{'float32 softmax':28s}{len(set(exact)):10d}{'':>22s}")
    for name, values in sides.items():
        apart = max(abs(a - b) for a, b in zip(values, exact, strict=True))
        lines.append(f"{name:28s}{len(set(values)):10d}{apart:17.4f} nats")
    return "\n".join(lines)


def _regress(bench: Bench, engine: str, folder: str, requests: Sequence[Any]) -> list[float]:
    with Child(Side) as child:
        settings = bench.settings(engine, "bfloat16", **({"batch_size": 1} if engine == REFERENCE else {}))
        child.ask("open", folder, [requests], **settings)
        child.ask("answer", [requests])
        return [answer["value"] for answer in child.ask("responses")]


def _plain_hf(folder: str, pairs: Sequence[tuple[str, str]], device: str) -> list[float]:
    """lm-eval without a `softmax_dtype`."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=folder, dtype="bfloat16", device=device, batch_size=1)
    asked = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=i) for i, pair in enumerate(pairs)
    ]
    return [float(value) for value, _ in lm.loglikelihood(asked, disable_tqdm=True)]


def _float32_softmax(folder: str, pairs: Sequence[tuple[str, str]], device: str) -> list[float]:
    """The reference: one forward pass a choice, softmax and sum in float32."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device).eval()
    values = []
    for context, continuation in pairs:
        ids = torch.tensor(tokenizer.encode(context + continuation).ids, device=device)
        start = len(tokenizer.encode(context).ids)
        with torch.inference_mode():
            logits = model(ids[None, :-1]).logits[0, start - 1 :]
        logprobs = torch.log_softmax(logits.float(), dim=-1)
        values.append(float(logprobs.gather(1, ids[start:, None]).sum()))
    return values
