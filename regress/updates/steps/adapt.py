"""`adapt`: LoRA or IA3 on some of a model's modules, new, or trained and merged into the weights.

References: Hu et al. (2021), "LoRA", arXiv:2106.09685; Liu et al. (2022), "Few-Shot
Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning" (IA3), arXiv:2205.05638.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from regress.composed.adapters import AdapterSettings, Kind
from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, OTHER, SAME
from regress.updates.draft import Change, Draft
from regress.updates.planning import written
from regress.updates.steps.attached import merged

_TURNED = ("gpt2",)
"""Families that store matrices as [in, out]."""


@dataclass(frozen=True, kw_only=True)
class Adapt:
    """Put an adapter on the model, which then lies beside its weights, or merge a trained one into them."""

    verb: ClassVar[str] = "adapt"

    kind: Kind = "lora"
    """`lora`: a product of two small matrices is added to a module's weight. `ia3`: what a module puts out
    (or, of the second one of an MLP, what goes in) is scaled channel by channel."""
    rank: int = 8
    """Width of LoRA's bottleneck."""
    alpha: float = 16.0
    """LoRA's product is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of its inputs that LoRA drops while it is trained."""
    targets: tuple[str, ...] = ()
    """Names of the modules, such as [q_proj,v_proj]; PEFT's choice for the model type if none are given."""
    load: str | None = None
    """Folder of an adapter that was trained; with merge=true only."""
    merge: bool = False
    """Whether the adapter goes into the weights, so that an ordinary checkpoint results."""
    _draft: Draft | None = field(default=None, repr=False, compare=False)
    """The adapter in `load` on paper."""

    def with_adapter(self, adapter: Draft) -> Adapt:
        """The step with the adapter in `load` on paper: its configuration and tensors."""
        return replace(self, _draft=adapter)

    @property
    def settings(self) -> AdapterSettings:
        """What adapter is to be made."""
        return AdapterSettings(
            kind=self.kind, rank=self.rank, alpha=self.alpha, dropout=self.dropout, targets=self.targets
        )

    def plan(self, draft: Draft) -> Change:
        """See `Step`. A new adapter changes no weight: LoRA begins with B = 0, IA3 with factors of 1."""
        self._require_sense()
        if self.load is not None:
            if self._draft is None:
                raise UsageError("the adapter was not opened", do="Call `with_adapter` first.")
            return Change(draft=merged(draft, self._draft), claim=OTHER)
        modules, values = self._added(draft)
        if self.merge:
            return Change(
                draft=draft, notes=("Merging an adapter that has learned nothing changes no weight.",)
            )
        return Change(
            draft=draft,
            claim=IDENTICAL if self.kind == "lora" else SAME,
            notes=(
                f"The adapter has {values} parameters, on {modules} modules; the rest is frozen in training.",
            ),
        )

    def _added(self, draft: Draft) -> tuple[int, int]:
        """Modules that get an adapter, and its parameters.

        Raises:
            Unsupported: If PEFT knows none for this model type, or the model has none of those named.
        """
        config, tensors = written(draft)
        model_type = str(config.get("model_type"))
        targets = self.settings.on(model_type)
        sizes = []
        for name, tensor in tensors.items():
            module, _, part = name.rpartition(".")
            meant = targets.named(module)
            if meant is not None and part == "weight" and len(tensor.shape) == 2:
                out, into = reversed(tensor.shape) if model_type in _TURNED else tensor.shape
                scaled = into if meant in targets.second else out
                sizes.append(self.rank * (out + into) if self.kind == "lora" else scaled)
        if not sizes:
            raise Unsupported(
                f"this {model_type} has no module called {' or '.join(targets.names)}",
                allowed="names as in its weights, such as q_proj",
            )
        return len(sizes), sum(sizes)

    def _require_sense(self) -> None:
        if self.load is not None and not self.merge:
            raise UsageError(
                "an adapter that is there already makes no new model",
                allowed="load with merge=true",
                do=f"Name the two as one model: OLD+{self.load}.",
            )
        if self.load is not None and replace(self, _draft=None) != Adapt(load=self.load, merge=True):
            raise UsageError(
                f"what the adapter in {self.load} is, it says itself", do="Leave kind, rank and the like out."
            )
        if self.kind not in ("lora", "ia3"):
            raise UsageError(f"kind={self.kind} is not known", allowed="lora, ia3")
        if self.rank < 1 or not self.alpha > 0 or not 0 <= self.dropout < 1:
            raise UsageError(
                f"rank={self.rank}, alpha={self.alpha}, dropout={self.dropout} make no adapter",
                allowed="a rank of at least 1, alpha above 0, dropout from 0 to below 1",
            )
