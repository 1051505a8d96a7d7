"""How a table's answers are judged: what its columns and the task allow, checked on its first rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from regress.definitions.known import Known
from regress.errors import DataError, RegressError, TaskError, UnknownName
from regress.interop.tables import cells
from regress.interop.tables.choices import FORMS, Choosable, Form, chosen, elements, form_of, no_choice
from regress.interop.tables.columns import Columns, Layout, Row
from regress.interop.tables.direction import Role, check, ranking
from regress.interop.tables.evidence import Chosen, Evidence, Judged, Likelihoods, Recorded, Targets
from regress.interop.tables.heads import Head
from regress.interop.tables.items import Item, Items
from regress.interop.tables.synonyms import LOWER_IS_BETTER, folded
from regress.interop.tables.tasks import EXACT, choice_metrics

_CALLED = {"acc": "acc", "accuracy": "acc", "em": "exact_match", "exactmatch": "exact_match"}
"""The metric that a column of right and wrong is named for."""

_EVIDENCE = (
    "a column of right and wrong (correct); or prediction and target; or log-probabilities of the choices "
    "(logprobs) and target; or a score"
)


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """What is known of a table before all of its rows are read."""

    head: Head
    columns: Columns
    asked: Collection[str]
    """Roles that the user declared."""
    layout: Layout
    items: Items
    task: Known | None
    metric: str | None
    """The metric that the user wants to decide."""

    def evidence(self) -> Evidence:
        """What tells whether an answer is right; the first that is there.

        Raises:
            DataError: If nothing does, or the first rows cannot be what they are said to be.
        """
        layout, right = self.layout, self.target is not None
        scorer = self.task.scorer if self.task else {}
        coded = scorer.get("kind") == "lm-eval"
        said = layout.has("prediction") and right
        if said and scorer.get("kind") == "text":
            return self._by_text(self.task)
        if self.role is not None and right and not coded:
            return self._by_logprobs(self.role)
        if layout.has("correct"):
            return self._by_record()
        if layout.has("score"):
            return self._by_score()
        if right and (layout.has("prediction") or layout.has("answer")) and self._has_choices():
            return self._by_choice()
        if said and not coded:
            return self._by_text(None)
        raise self._nothing(coded)

    # ── what there is ────────────────────────────────────────────────────────────────────────────

    @cached_property
    def role(self) -> Role | None:
        """How log-probabilities are given; null if they are not."""
        roles: tuple[Role, ...] = ("logprobs", "nll")
        return next((role for role in roles if self.layout.has(role)), None)

    @cached_property
    def target(self) -> str | None:
        """The column that holds what is right; null if none does."""
        if self.columns.get("target"):
            return self.columns["target"][0]
        fields = self.items.fields
        return (
            " + ".join(fields.by_part["target"].values()) if fields and "target" in fields.by_part else None
        )

    @cached_property
    def rows(self) -> list[tuple[Row, Item]]:
        """The first rows that were answered, and what they tell about their items."""
        read = [Row(where, told, self.layout) for where, told in self.head.under(self.layout.columns)]
        return [(row, self.items(row)) for row in read if cells.problem(row.cell("error")) is None]

    def _has_choices(self) -> bool:
        return self._has_texts() or (self.task is not None and self.task.kind == "choice")

    def _has_texts(self) -> bool:
        fields = self.items.fields
        return self.layout.has("choices") or (fields is not None and "choices" in fields.by_part)

    def _among(self, row: Row, item: Item) -> Choosable:
        texts = item.choices
        count = len(row.numbers(self.role)) if self.role else None if texts is None else len(texts)
        return Choosable(count=count, texts=texts)

    def _form(self, of: str, column: str) -> Form:
        """How a column, of what is right or of what the model chose, names choices.

        Raises:
            DataError: If most of its cells name none.
        """
        told = self._named(of)
        form = form_of(
            [(value, among) for _, value, among in told],
            column,
            self.head.name,
            settled=self.task is not None,
        )
        if form is not None or not told:
            return form or "index"
        for where, value, among in told:
            if all(chosen(value, one, among) is None for one in FORMS):
                raise no_choice(value, among, where, column)
        raise DataError(
            f"the column {column!r} of {self.head.name} names choices now by index, now by letter or text",
            allowed="one of them in all rows",
        )

    def _named(self, of: str) -> list[tuple[str, Any, Choosable]]:
        """What stands in the cells of `target` or of another role, and among which choices it is."""
        return [
            (row.where, one, self._among(row, item))
            for row, item in self.rows
            for one in elements(item.target if of == "target" else row.cell(of))
        ]

    # ── one kind of evidence each ────────────────────────────────────────────────────────────────

    def _by_logprobs(self, role: Role) -> Evidence:
        metrics, metric = choice_metrics(
            self.task,
            self.metric,
            self.head.name,
            texts=self._has_texts(),
            lengths=self.layout.has("lengths"),
        )
        targets = Targets(form=self._form("target", str(self.target)), column=str(self.target))
        scores = [row.numbers(role) for row, _ in self.rows]
        golds = [targets(row, item, self._among(row, item).count)["golds"] for row, item in self.rows]
        odd = check(
            role, "+".join(self.columns[role]), scores, ranking(scores, golds), declared=role in self.asked
        )
        return Evidence(
            told=Judged(choices=Likelihoods(role=role, targets=targets), metric=metric),
            metric=metric,
            kind="choice",
            scale=self.task.scale if self.task else "binary",
            higher_is_better=self.task.higher_is_better if self.task else True,
            scorer={"kind": "choice", "metrics": metrics},
            judge=True,
            remarks=(odd,) if odd else (),
        )

    def _by_text(self, task: Known | None) -> Evidence:
        metric = task.metric if task else self.metric or "exact_match"
        if task is None and metric != "exact_match":
            raise UnknownName("metric", metric, ["exact_match"], do="Without a task there is no other.")
        remark = (
            "Without a task's scorer an answer is right if it is the reference, white space aside; "
            "--task names one (gsm8k, samsum, …)."
        )
        targets = Targets(form=None, column=str(self.target))
        return Evidence(
            told=Judged(choices=Likelihoods(role=None, targets=targets), metric=metric),
            metric=metric,
            kind="generation",
            scale=task.scale if task else "binary",
            higher_is_better=task.higher_is_better if task else True,
            scorer=task.scorer if task else EXACT,
            judge=True,
            remarks=() if task else (remark,),
        )

    def _by_record(self) -> Evidence:
        metric = self.metric or _CALLED.get(folded(self.columns["correct"][0]))
        return Evidence(
            told=self._recorded(metric, {}), metric=metric, kind=self.task.kind if self.task else None
        )

    def _by_score(self) -> Evidence:
        names = self.columns["score"]
        metric = self.metric or names[0]
        if self.metric is not None and self.metric not in names and len(names) > 1:
            raise UnknownName("metric", metric, names, where=self.head.name)
        scores = {metric: names[0]} if len(names) == 1 else {name: name for name in names}
        task = self.task if self.task is not None and self.task.metric == metric else None
        lower = folded(names[0].rpartition(".")[2]) in LOWER_IS_BETTER
        note = f"Of {metric!r} lower is better; its scores are negated." if lower and task is None else None
        return Evidence(
            told=self._recorded(metric, scores),
            metric=metric,
            kind=self.task.kind if self.task else None,
            scale=task.scale if task else None,
            higher_is_better=task.higher_is_better if task else not lower,
            remarks=(note,) if note else (),
        )

    def _by_choice(self) -> Evidence:
        metric = self.metric or "acc"
        role = "answer" if self.layout.has("answer") else "prediction"
        return Evidence(
            told=Chosen(
                targets=Targets(form=self._form("target", str(self.target)), column=str(self.target)),
                form=self._form(role, self.columns[role][0]),
                metric=metric,
            ),
            metric=metric,
            kind="choice",
        )

    def _recorded(self, metric: str | None, scores: dict[str, str]) -> Recorded:
        """What is recorded, with the choices as far as they are known."""
        form = None
        if self.target is not None and (self.role or self._has_texts()):
            told = [(value, among) for _, value, among in self._named("target")]
            form = form_of(told, self.target, self.head.name, settled=self.task is not None)
        targets = Targets(form=form, column=self.target or "target", needed=False)
        return Recorded(choices=Likelihoods(role=self.role, targets=targets), metric=metric, scores=scores)

    def _nothing(self, coded: bool) -> RegressError:
        name = self.head.name
        if coded and self.task is not None:
            return TaskError(
                f"the task {self.task.name!r} is judged by its own code, and {name} has no verdicts",
                do="Say which column says it: --map correct=COLUMN.",
            )
        if self.role is not None:
            return DataError(
                f"{name} has log-probabilities of choices, and nothing that says which choice is right",
                do="Say which column does: --map target=COLUMN.",
            )
        shown = [cells.shown(one)[1:-1] for one in self.head.fields()]
        listed = ", ".join(shown[:12]) + (f", … ({len(shown)} in all)" if len(shown) > 12 else "")
        return DataError(
            f"{name} does not tell which answers are right; its columns are {listed}",
            allowed=_EVIDENCE,
            do="Say which column is which, for example --map prediction=COLUMN,target=COLUMN.",
        )
