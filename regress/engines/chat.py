"""Chat templates: which one, and messages rendered with it."""

from __future__ import annotations

from typing import Any

from regress.engines.base import Chat
from regress.errors import UnknownName, UsageError
from regress.identity import text_hash


def chosen_template(tokenizer: Any, wanted: str) -> tuple[str | None, str | None]:
    """The chat template asked for, as text, and as `name#hash` for the record.

    Args:
        tokenizer: A transformers tokenizer.
        wanted: `none`, `auto` (the tokenizer's, if it has one), or a name.

    Raises:
        UnknownName: If the tokenizer has no template of that name.
        UsageError: If `auto` could mean several.
    """
    declared = tokenizer.chat_template
    if wanted == "none" or (wanted == "auto" and not declared):
        return None, None
    named = declared if isinstance(declared, dict) else ({"default": declared} if declared else {})
    name = wanted
    if wanted == "auto":
        name = next(iter(named)) if len(named) == 1 else "default"
        if name not in named:
            raise UsageError(
                "the tokenizer has several chat templates and none is the default",
                allowed=", ".join(sorted(named)),
                do="Name one with --chat-template.",
            )
    if name not in named:
        raise UnknownName("chat template", wanted, [*named, "auto", "none"])
    return named[name], f"{name}#{text_hash(named[name])}"


def renderer(tokenizer: Any, template: str | None) -> Chat | None:
    """What renders messages as one prompt with `template`; null where there is none."""
    if template is None:
        return None

    def render(messages: list[dict[str, str]], *, add_generation_prompt: bool = True) -> str:
        return str(
            tokenizer.apply_chat_template(
                messages,
                chat_template=template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )

    return render
