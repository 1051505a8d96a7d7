"""`regress layers`: which layers of a model bear being repeated, moved or left out, before any training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regress.changes import LayerMaps, MappedLayers
from regress.composed.maps import candidates
from regress.composed.settings import require_map
from regress.config import load_config
from regress.engines.open import Opened, open_model
from regress.errors import ModelError, UsageError
from regress.workflows.models import known_models
from regress.workflows.progress import Advanced, Progress, Started, Working, silent
from regress.workflows.readings import of_file
from regress.workflows.update import MANY, prompts

WINDOW = 512
"""Tokens shown at a time at most, where the model takes as many."""
_ITEMS = "prompts of the built-in items"


def layers(
    model: str,
    *,
    depth: int | None = None,
    maps: Sequence[Sequence[int]] = (),
    text: str | Path | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> LayerMaps:
    """Perplexity of a model with its layers by every map worth trying for a depth, and by those given.

    Nothing is trained and nothing written: repeated layers share their weights, so that the model
    takes no more memory than it does as it is.

    Args:
        model: Alias, hub id, `id@revision` or folder.
        depth: Layers wanted: of these many the published kinds of maps are tried; by default twice as many
            as the model has, unless maps are given.
        maps: Maps of one's own, of any depth.
        text: A file of text in UTF-8; by default prompts of the built-in items.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`, for how the model is loaded.

    Raises:
        UsageError: If a depth or a map makes no model.
        Unsupported: If this model's layers cannot be mapped.
        RegressError: If something cannot be read or loaded.
    """
    if depth is not None and depth < 1:
        raise UsageError(f"depth is {depth}", allowed="at least 1 layer")
    texts, name = (of_file(text).texts, str(text)) if text is not None else (prompts(MANY), _ITEMS)
    config = load_config()
    opened = open_model(model, config.settings(**settings), known_models(config))
    if opened.model.adapter is not None:
        raise ModelError(
            f"{model} has an adapter, which is made for its layers as they are",
            do="Name its base, or merge the adapter first: `regress update … adapt:load=…,merge=true`.",
        )
    progress(Working(text=f"loading {model}"))
    loaded = opened.load().model.eval()
    count = loaded.config.get_text_config().num_hidden_layers
    wanted = _wanted(count, depth, maps)
    return _tried(model, opened, loaded, wanted, texts, name, progress)


def _wanted(count: int, depth: int | None, maps: Sequence[Sequence[int]]) -> Mapping[tuple[int, ...], str]:
    found = {tuple(each): "given" for each in maps}
    for each in found:
        require_map(each, count)
    if depth is None and found:
        return found
    return candidates(count, depth or 2 * count) | found


def _tried(
    model: str,
    opened: Opened,
    loaded: Any,
    wanted: Mapping[tuple[int, ...], str],
    texts: Sequence[str],
    name: str,
    progress: Progress,
) -> LayerMaps:
    from regress.composed.layers import layer_list, tied  # torch, which `open_model` has found to be there
    from regress.engines.perplexity import surprisal, windows
    from regress.engines.storage import weighed

    size = min(WINDOW, opened.model.context_length or WINDOW)
    text = windows(opened.tokenizer, texts, size=size)
    own = tuple(range(len(layer_list(loaded)[1])))
    total = len(wanted) + 1
    progress(Started(model=model, task="layer maps", done=0, total=total, counted="maps"))
    found = [_measured("as it is", own, surprisal(loaded, text))]
    for layers, kind in wanted.items():
        progress(Advanced(model=model, task="layer maps", done=len(found), total=total))
        found.append(_measured(kind, layers, surprisal(tied(loaded, layers), text)))
    progress(Advanced(model=model, task="layer maps", done=total, total=total))
    return LayerMaps(
        model=model,
        base=found[0],
        maps=tuple(sorted(found[1:], key=lambda each: each.surprisal)),
        text=name,
        tokens=text.tokens,
        window=size,
        parameters=weighed(loaded).parameters or 0,
    )


def _measured(name: str, layers: tuple[int, ...], nats: float) -> MappedLayers:
    return MappedLayers(name=name, layers=layers, surprisal=nats, perplexity=math.exp(nats))
