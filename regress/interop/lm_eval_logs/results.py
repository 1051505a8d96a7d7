"""What a `results_<date>.json` of lm-eval tells about the model, the engine and each task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from regress.identity import text_hash
from regress.interop.fields import Fields
from regress.interop.lines import json_file
from regress.types import EngineSpec, ModelSpec

_NAMING = ("peft", "delta", "pretrained", "model", "path", "engine")
"""Model arguments that name the model, in lm-eval's order."""
_IN_THE_MODEL = frozenset({*_NAMING, "dtype", "revision", "quantization", "autogptq", "gptqmodel"})


@dataclass(frozen=True)
class Results:
    """The results of one run; where there is no file, nothing is known.

    Null is unknown, everywhere.
    """

    path: Path | None
    """The file."""

    @cached_property
    def fields(self) -> Fields:
        """What it holds.

        Raises:
            DataError: If it is no JSON object.
        """
        told = json_file(self.path) if self.path else {}
        if not isinstance(told, Mapping):
            raise Fields(str(self.path), {}).refusal("results", told, "a JSON object")
        return Fields(self.path.name if self.path else "", told)

    def of(self, part: str, task: str) -> Any:
        """What a part of the file says of a task."""
        return self.fields.mapping(part).get(task)

    def count(self, part: str, task: str, name: str = "") -> int | None:
        """A number that a part of the file tells of a task."""
        told = self.of(part, task)
        told = told.get(name) if name and isinstance(told, Mapping) else told
        return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None

    @property
    def templated(self) -> bool:
        """Whether prompts were logged as a chat template made them."""
        return self.fields.value("chat_template") is not None

    @property
    def alone(self) -> bool:
        """Whether no system instruction stands before the prompts."""
        return self.path is not None and not self.templated and not self.fields.value("system_instruction")

    @property
    def producer(self) -> str:
        """lm-eval, with its version where that is told."""
        return " ".join(["lm-eval", self._text("lm_eval_version") or ""]).strip()

    def model(self, folder: Path) -> ModelSpec:
        """The model.

        Args:
            folder: Where the samples lie: since 0.4.3 it is named after the model.
        """
        config, arguments = self.fields.mapping("config"), self._arguments
        named = self._text("model_name") or next((arguments[one] for one in _NAMING if one in arguments), "")
        dtype = str(config.get("model_dtype") or arguments.get("dtype") or "auto").removeprefix("torch.")
        template = self._text("chat_template")
        return ModelSpec(
            name=_short(named or folder.resolve().name.replace("__", "/").lstrip("/")) or "unknown",
            source=arguments.get("pretrained") or named or "unknown",
            revision=str(config.get("model_sha") or "") or None,
            dtype=None if dtype == "auto" else dtype,
            quantization=_quantization(arguments),
            adapter=arguments.get("peft"),
            chat_template=text_hash(template) if template else None,
            system=self._text("system_instruction"),
            context_length=_whole(self.fields.value("max_length")),
            parameters=_whole(config.get("model_num_parameters")),
        )

    def engine(self) -> EngineSpec:
        """The engine."""
        config = self.fields.mapping("config")
        batch = str(config.get("batch_size") or "")
        settings: dict[str, Any] = {
            name: value for name, value in self._arguments.items() if name not in _IN_THE_MODEL
        }
        if batch and not batch.isdecimal():
            settings["batch_size"] = batch  # `auto`: as large as fits
        versions = {"lm-eval": "lm_eval_version", "transformers": "transformers_version"}
        told = [f"{name} {self._text(key)}" for name, key in versions.items() if self._text(key)]
        return EngineSpec(
            name=str(config.get("model") or "unknown"),
            version=", ".join(told),
            batch_size=int(batch) if batch.isdecimal() and len(batch) < 10 else None,
            settings=settings,
        )

    def unknown(self, model: ModelSpec, engine: EngineSpec, task: str) -> tuple[str, ...]:
        """What neither the samples nor the results tell."""
        lacking = {
            "model.dtype": model.dtype is None,
            "model.revision": model.revision is None and _short(model.source) == model.source,
            "model.quantization": model.quantization is None,
            "model.chat_template": self.path is None or (self.templated and model.chat_template is None),
            "model.system": self.path is None,
            "engine.name": engine.name == "unknown",
            "engine.version": not engine.version,
            "engine.batch_size": engine.batch_size is None,
            "task.version": self.of("versions", task) is None,
            "task.num_fewshot": self.count("n-shot", task) is None,
        }
        return tuple(name for name, unknown in lacking.items() if unknown)

    @cached_property
    def _arguments(self) -> Mapping[str, str]:
        """How the model was named and loaded: an object, up to 0.4.9 `name=value,name=value`."""
        told = self.fields.mapping("config").get("model_args")
        if isinstance(told, Mapping):
            return {str(name): str(value) for name, value in told.items()}
        pairs = [one.partition("=") for one in told.split(",")] if isinstance(told, str) else []
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    def _text(self, name: str) -> str | None:
        told = self.fields.value(name)
        return told if isinstance(told, str) and told else None


def _short(name: str) -> str:
    """What to call a model: a hub id as it is, a path by its last part."""
    local = name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2] if local else name


def _quantization(arguments: Mapping[str, str]) -> str | None:
    for name in ("autogptq", "gptqmodel", "quantization"):
        if (value := arguments.get(name, "False")) not in ("False", "None", ""):
            return name if value == "True" else value
    return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
