"""A `torch.export` program (`.pt2`), for those who stay with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ttl.errors import ExportError
from ttl.export.quiet import first_line, quiet
from ttl.export.targets.target import FloatArray, Order, Run, Target
from ttl.export.translate import traced_on


@dataclass(frozen=True)
class _Program(Target):
    def write(self, model: nn.Module, path: Path, order: Order) -> None:
        """A program with a free batch size. Batch norms stay as they are: a compiler folds them."""
        example, free = traced_on(order.images, order.divisor)
        try:
            with quiet(), torch.no_grad():
                made = torch.export.export(model, (example,), dynamic_shapes=(free,))
        except Exception as error:  # whatever the model's forward or the exporter raises
            raise ExportError(f"The model can't be exported by torch.export: {first_line(error)}") from error
        try:
            with quiet(), path.open("wb") as file:  # of a path it insists on the extension
                torch.export.save(made, file)
        except RuntimeError as error:  # what PyTorch's own zip writer raises on a full disk
            raise OSError(first_line(error)) from error

    def open(self, path: Path, device: str) -> Sequence[Run]:
        """The program, read back from the file."""
        with quiet(), path.open("rb") as file:
            program = torch.export.load(file).module()

        def run(images: FloatArray) -> FloatArray:
            with torch.no_grad():
                return np.asarray(program(torch.from_numpy(images)))

        return [run]


TARGET = _Program("program", ("pt2",), label="torch.export", how_run="Run, read back from the file")
