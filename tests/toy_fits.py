"""Short fine-tunes of a tiny network, to be compared between one process and several.

As a program (`python -m toy_fits FOLDER`) it makes them all, each process one share, and writes what each of them has.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from toy_adapters import NAMES
from toy_images import images
from toy_networks import TinyResNet
from ttl import processes
from ttl.cut.points import truncation_points
from ttl.cut.truncation import truncate
from ttl.data import KINDS
from ttl.finetune import Fit, Settings, fit, from_main, recipe
from ttl.finetune.adapters import ADAPTERS
from ttl.typed import to_json


@dataclass(frozen=True)
class Case:
    recipe: str
    norms: bool = True
    accumulate: int = 1
    adapter: str | None = None


CASES = {
    "norms stand still": Case("fc-then-bn"),
    "everything trains": Case("full", norms=False),
    "in parts": Case("full", norms=False, accumulate=2),
    "norms train": Case("full"),
    "in an adapter": Case("fc-then-bn", adapter="gain"),
}


def fitted(case: Case) -> tuple[nn.Module, Fit]:
    """The network of a case, fine-tuned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = TinyResNet()
    if not case.norms:
        for parent in list(backbone.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.GroupNorm(1, child.num_features))
    model = truncate(backbone, truncation_points(backbone, image_size=32)["stage2.0"], num_classes=2)
    how = replace(recipe(case.recipe), dropout=0.0, adapter=case.adapter)
    settings = Settings(
        kind=KINDS["binary"],
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        epochs=3,
        batch_size=8,
        accumulate=case.accumulate,
    )
    with patch.dict(ADAPTERS, gain=NAMES["Gain"]):
        return model, fit(model, images(21), images(9, seed=1), how, settings)


def main(folder: Path) -> None:
    """Write the weights of each case, and the main process's curve and notes."""
    rank = "main" if processes.is_main() else "other"
    for name, case in CASES.items():
        model, result = fitted(case)
        assert from_main(rank) == "main"
        assert "forward" not in vars(model)
        torch.save(model.state_dict(), folder / f"{name} {rank}.pt")
        content = {"curve": [to_json(epoch) for epoch in result.curve], "notes": result.notes}
        (folder / f"{name} {rank}.json").write_text(json.dumps(content))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
