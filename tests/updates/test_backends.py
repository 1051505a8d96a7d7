"""Formats of other libraries: refused where a library is missing or has no such levels."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import MissingExtra, UsageError
from regress.updates.backends import require_backend, write_quantized
from regress.updates.steps.quantize import Quantize

pytestmark = pytest.mark.models

EIGHT = Quantize(bits=8, backend="bitsandbytes")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Pretend that the library is there, or is not."""

    def there(installed: bool) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if installed else None)

    return there


def test_without_the_library_it_says_how_to_get_it(library: Callable[[bool], None], tmp_path: Path) -> None:
    library(False)
    with pytest.raises(MissingExtra, match=r"bitsandbytes, which is not installed.*regress-harness\[bnb\]"):
        write_quantized(EIGHT, tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 3}, "no format of 3 bits. Allowed: bits=8, bits=4"),
        ({"group": 32}, "its own groups and levels"),
        ({"scheme": "asymmetric"}, "its own groups and levels"),
        ({"embeddings": True}, "its own groups and levels"),
    ],
)
def test_what_the_library_has_not_is_refused(
    arguments: Any, message: str, library: Callable[[bool], None]
) -> None:
    library(True)
    with pytest.raises(UsageError, match=message):
        require_backend(Quantize(backend="bitsandbytes", **arguments))


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bits", [8, 4])
def test_the_stored_format_loads_and_computes_nearly_the_same(
    bits: int, make_model: Any, tmp_path: Path, ids: Any
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    old, new = make_model("llama", hidden_size=128, intermediate_size=256), tmp_path / "quantised"
    write_quantized(Quantize(bits=bits, backend="bitsandbytes"), old, new)
    before, after = (AutoModelForCausalLM.from_pretrained(str(folder)).eval() for folder in (old, new))
    with torch.no_grad():
        a, b = before(ids).logits.float(), after(ids).logits.float()
    assert 0 < float((a - b).abs().mean() / a.std()) < {8: 0.1, 4: 0.5}[bits]
    assert (new / "tokenizer.json").is_file()
