"""Texts that several models write together: every token is what their mean ranks first.

One prompt at a time, each member with a cache of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from regress.composed.averaging import Averaged
from regress.composed.ensemble import Ensemble
from regress.engines.base import Engine
from regress.engines.choosing import Answer
from regress.engines.encoding import Encoder
from regress.engines.harness import HarnessEngine
from regress.engines.local import generation_settings, told
from regress.engines.stopping import Stopper
from regress.errors import EngineError
from regress.types import Generation, Text


def write_together(engines: Sequence[Engine], asked: Sequence[Generation], made: Ensemble) -> list[Text]:
    """Write a text for every prompt, greedily.

    Args:
        engines: The members; engines `local` and `hf`.
        asked: The prompts.
        made: How their probabilities become one.

    Raises:
        EngineError: If the members are no such engines, mean different tokens, or are to be sampled from.
    """
    members = _members(engines)
    lms = [member.harness() for member in members]
    encoder = Encoder(lms[0])
    model = Averaged([lm.model for lm in lms], made.weights, geometric=made.by == "product")
    texts: list[Text] = []
    for request in asked:
        longest = min(member.fitting(request.max_tokens) for member in members)
        until, choose = generation_settings(lms[0], request, longest)
        if choose.sampled or choose.processors:
            raise EngineError(
                "an ensemble writes what is likeliest, and sampling or a penalty is asked for",
                do="Leave that out, or make one by=vote.",
            )
        (ids,) = encoder.prompts([request.prompt])
        room = min(lm.max_length for lm in lms) - longest
        answer = Answer(np.array(ids[-room:], np.int64))
        stopper = Stopper(lms[0].tok_decode, until, lms[0].end_tokens(), longest)
        _write(model, answer, stopper)
        cut = len(ids) - len(answer.prompt)
        texts.append(replace(told(lms[0], answer, until), left_truncated=cut))
    return texts


def _members(engines: Sequence[Engine]) -> list[HarnessEngine]:
    members = [engine for engine in engines if isinstance(engine, HarnessEngine)]
    if len(members) < len(engines) or any(not hasattr(each.harness(), "end_tokens") for each in members):
        raise EngineError(
            "these engines do not hand out next-token probabilities",
            allowed="local, hf",
            do="Make an ensemble by=vote, which needs texts alone.",
        )
    if len({member.model.tokenizer for member in members}) > 1:
        raise EngineError(
            "the members have different tokenizers, and what they expect next cannot be averaged",
            do="Make an ensemble by=vote.",
        )
    return members


@torch.inference_mode()
def _write(model: Averaged, answer: Answer, stopper: Stopper) -> None:
    cache, shown = None, answer.prompt.tolist()
    while not answer.written or not (answer.broken or stopper.ended(answer.written)):
        told = model(torch.tensor([shown]), past_key_values=cache, use_cache=True)
        expected, cache = told.logits[0, -1], told.past_key_values
        answer.broken = bool(expected.isnan().any())
        shown = [int(expected.nan_to_num(-torch.inf).argmax())]
        answer.written += shown
