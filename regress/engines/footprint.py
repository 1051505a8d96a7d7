"""What a checkpoint takes up, from file headers and its configuration: nothing is loaded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from regress.checkpoints import Checkpoint
from regress.engines.cache import cache
from regress.engines.machine import DTYPE_BYTES
from regress.types import Footprint
from regress.weights import Stored, adapter_files, tensors, weight_files

_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_TYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}
_TYPES |= {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
_HEADS = ("lm_head.weight", "embed_out.weight")
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight")
_NO_WEIGHTS = re.compile(
    r"(^|\.)(h\.\d+\.attn|attn\.attention|layers\.\d+\.attention)\.(bias|masked_bias)$|rotary_emb\.inv_freq$"
)
"""Masks and frequencies that older checkpoints hold beside the weights; models make their own now."""


def footprint(checkpoint: Checkpoint, dtype: str) -> Footprint:
    """What a checkpoint takes up once its weights are loaded as `dtype`.

    A head without weights of its own shares the input embedding's; so does one that the
    configuration ties, even if the file holds a copy. What a quantised checkpoint is loaded as, only
    the loaded model tells (`regress.engines.storage`).
    """
    files, adapter = _files(checkpoint)
    kept = {name: one for name, one in files.items() if not _NO_WEIGHTS.search(name)}
    own, shared = _by_sharing(kept, bool(checkpoint.config.get("tie_word_embeddings")))
    weights = [*own.values(), *adapter.values()]
    parameters = sum(one.elements for one in weights)
    found = cache(checkpoint.config, dtype)
    return Footprint(
        parameters=parameters if weights else None,
        materialised=parameters + shared if weights else None,
        disk_bytes=checkpoint.weight_bytes + _size(checkpoint),
        memory_bytes=_memory(weights, dtype),
        cache_bytes=found.token_bytes if found else None,
        windowed_layers=found.windowed_layers if found else 0,
        window=found.window if found else None,
    )


def _files(checkpoint: Checkpoint) -> tuple[dict[str, Stored], dict[str, Stored]]:
    """The tensors of the model and of its adapter; none of a pickled model, which would have to be read."""
    if checkpoint.pickled:
        return {}, {}
    files, _ = weight_files(checkpoint.folder, allow_bin=False)
    model = {name: one for file in files for name, one in tensors(file).items()}
    if checkpoint.adapter_folder is None:
        return model, {}
    adapter = {
        name: one for file in adapter_files(checkpoint.adapter_folder) for name, one in tensors(file).items()
    }
    return model, adapter


def _size(checkpoint: Checkpoint) -> int:
    """Bytes of the adapter's files."""
    if checkpoint.adapter_folder is None:
        return 0
    return sum(file.stat().st_size for file in adapter_files(checkpoint.adapter_folder))


def _by_sharing(stored: Mapping[str, Stored], tied: bool) -> tuple[dict[str, Stored], int]:
    """The tensors that have storage of their own, and the elements of the head if it has none."""
    heads = {name: one for name, one in stored.items() if name.endswith(_HEADS)}
    if heads and not tied:
        return dict(stored), 0
    own = {name: one for name, one in stored.items() if name not in heads}
    embeddings = [one.elements for name, one in stored.items() if name.endswith(_EMBEDDINGS)]
    return own, embeddings[0] if len(embeddings) == 1 else 0


def _memory(weights: list[Stored], dtype: str) -> dict[str, int]:
    """Bytes by weight type: fractions become `dtype`, whole numbers stay what they are."""
    sizes: Counter[str] = Counter()
    for one in weights:
        stored = _TYPES.get(one.dtype, one.dtype)
        if stored in DTYPE_BYTES:
            sizes[dtype] += one.elements * DTYPE_BYTES[dtype]
        else:
            sizes[stored] += one.bytes
    return dict(sizes)
