"""`python -m regress.demo`: make the items, the tokenizer, both models and their cards anew."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

from regress.demo import items
from regress.demo.card import card
from regress.demo.measure import measure
from regress.demo.pair import items_folder, model_folder
from regress.demo.stages import STAGES, Stage
from regress.demo.train import make_model, make_tokenizer, save, train


def main() -> None:
    """Rebuild the pair in place, or in another folder, and print what it scores."""
    parser = argparse.ArgumentParser(prog="python -m regress.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, help="write here instead of into the package")
    folder = parser.parse_args().folder
    # how many threads share a sum changes its last bits, and training makes them large
    torch.set_num_threads(1)
    items.write(folder / "items" if folder else items_folder())
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    for stage in STAGES:
        train(model, tokenizer, stage, progress=partial(_tell, stage))
        target = folder / "models" / stage.name if folder else model_folder(stage.name)
        save(model, tokenizer, target)
        scores = {task: measure(model, tokenizer, task) for task in items.SPLITS}
        means = {task: sum(values) / len(values) for task, values in scores.items()}
        (target / "README.md").write_text(card(stage, means, model.num_parameters()), encoding="utf-8")
        print(stage.name, *(f"{task} {mean:.3f}" for task, mean in means.items()), sep="  ")


def _tell(stage: Stage, step: int, loss: float) -> None:
    if step % 25 == 0:
        print(f"{stage.name}: step {step} of {stage.steps}, loss {loss:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
