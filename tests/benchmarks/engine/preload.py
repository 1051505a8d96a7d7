"""What both sides need in the end, imported once before their processes part: loading is not measured."""

from __future__ import annotations

import contextlib

with contextlib.suppress(ImportError):
    from transformers import GPT2LMHeadModel, LlamaForCausalLM  # noqa: F401
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
with contextlib.suppress(ImportError):
    from regress.engines import facts, local  # noqa: F401
