"""A loaded model rebuilt with its own layers in any order and number, the repeated ones sharing weights.

The new model is made by its class from a configuration of the right depth, without memory for weights,
and every weight of a layer is then the very parameter of the layer it repeats. So each place has the
number that its class gives it (two layers of one number would share a slot of the key-value cache:
right for a text read at once, nonsense when writing), and an adapter finds ordinary modules, each its own.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from regress.composed.settings import mapped_settings
from regress.errors import Unsupported

_NUMBERS = ("layer_idx", "layer_id", "layer_number", "block_idx")
"""What modules call the number of their layer."""
_INCIDENTAL = ("training", "name_or_path")
_PLAIN = (bool, int, float, str, type(None))


def layer_list(model: Any) -> tuple[str, torch.nn.ModuleList]:
    """A model's layers and their name: the outermost list of as many modules as its configuration says.

    Raises:
        Unsupported: If there is none.
    """
    count = model.config.get_text_config().num_hidden_layers
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return name, module
    raise Unsupported(f"{type(model).__name__} has no list of {count} layers")


def tied(model: Any, layers: Sequence[int]) -> Any:
    """The model whose layer i is layer `layers[i]` of `model`; all its weights are those of `model`.

    Args:
        model: A causal language model of transformers, as loaded; left as it is.
        layers: For each layer of the new model the old one that it is, from 0.

    Returns:
        A model of the same class, in the same mode and on the same device.

    Raises:
        UsageError: If the map names a layer that is not there.
        Unsupported: If a layer would be another one elsewhere, or the model has no list of layers.
    """
    from accelerate import init_empty_weights

    name, _ = layer_list(model)
    config = deeper(model.config, layers)
    with init_empty_weights(include_buffers=False):
        made = type(model)(config)
    for path, module in made.named_modules():
        source = model.get_submodule(_source(path, name, layers))
        _require_alike(path, module, source)
        module._parameters.update(source._parameters)
        module._buffers.update(source._buffers)
    made.generation_config = model.generation_config
    return made.train(model.training)


def deeper(config: Any, layers: Sequence[int]) -> Any:
    """A configuration of as many layers as the map has, each of its source's kind.

    Raises:
        UsageError: If the map names a layer that is not there.
        Unsupported: If it tells layers apart by their places.
    """
    made = copy.deepcopy(config)
    text = made.get_text_config()
    for setting, value in mapped_settings(text.to_dict(), layers).items():
        setattr(text, setting, value)
    return made


def _source(path: str, name: str, layers: Sequence[int]) -> str:
    """The name in the old model of a module in the new one."""
    inside = re.fullmatch(rf"{re.escape(name)}\.(\d+)(\..*)?", path)
    return f"{name}.{layers[int(inside[1])]}{inside[2] or ''}" if inside else path


def _require_alike(path: str, made: torch.nn.Module, source: torch.nn.Module) -> None:
    """What a layer is made as may depend on where it stands in nothing but its number.

    Raises:
        Unsupported: If it does, or its weights have other shapes.
    """
    same_parts = type(made) is type(source) and list(_shapes(made)) == list(_shapes(source))
    other = "its parts" if not same_parts else next(_other_settings(made, source), None)
    if other is not None:
        raise Unsupported(f"{path or 'the model'} would be another one at its new place ({other})")


def _shapes(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    for name, parameter in module._parameters.items():
        yield name, None if parameter is None else parameter.shape


def _other_settings(made: torch.nn.Module, source: torch.nn.Module) -> Iterator[str]:
    before = vars(source)
    for name, value in vars(made).items():
        if name.startswith("_") or name.endswith(_NUMBERS) or name in _INCIDENTAL:
            continue
        old = before.get(name, value)
        if isinstance(value, _PLAIN) and isinstance(old, _PLAIN) and value != old:
            yield f"{name} {value!r} instead of {old!r}"
