"""lm-eval's templates, rendered where they cannot run code."""

from __future__ import annotations

from typing import Any

import lm_eval.utils
from jinja2 import Template
from jinja2.sandbox import SandboxedEnvironment


class Templates(SandboxedEnvironment):
    """lm-eval's template engine in a sandbox, each template compiled once.

    Without one, a template can reach any Python object, so that a YAML without a single `!function`
    could run code. What well-meaning templates render is the same.
    """

    def __init__(self, like: Any) -> None:
        super().__init__(undefined=like.undefined, keep_trailing_newline=like.keep_trailing_newline)
        self.filters.update(like.filters)
        self._compiled: dict[str, Template] = {}

    def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:
        """The compiled template."""
        if args or kwargs or not isinstance(source, str):
            return super().from_string(source, *args, **kwargs)
        if source not in self._compiled:
            self._compiled[source] = compiled = super().from_string(source)
            compiled.globals = dict(compiled.globals)  # as jinja's chain they take longer than most templates
        return self._compiled[source]


def in_a_sandbox() -> None:
    """Make lm-eval render templates in `Templates`, for the rest of this process."""
    if not isinstance(lm_eval.utils.env, Templates):
        lm_eval.utils.env = Templates(lm_eval.utils.env)
