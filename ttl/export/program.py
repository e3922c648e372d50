"""A model as a `torch.export` program (`.pt2`), for those who stay with PyTorch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ttl.errors import ExportError, GateError
from ttl.export.files import provisional
from ttl.export.gate import Check
from ttl.export.parity import ABSOLUTE_TOLERANCE, BATCHES, RELATIVE_TOLERANCE
from ttl.export.quiet import first_cause, quiet
from ttl.export.translate import example, free_dimensions


@dataclass(frozen=True)
class ProgramResult:
    """A written program that passed its check."""

    path: Path
    size_bytes: int
    max_abs: float
    tolerance: float
    checks: tuple[Check, ...]


def export_program(
    model: nn.Module, path: str | Path, *, check_on: torch.Tensor, divisor: int | None = None
) -> ProgramResult:
    """Write a model as a `torch.export` program with a free batch size, and check that it gives the same logits.

    Batch norms stay as they are: a compiler folds them. The program is read back from the file and run at batches
    of 1, 2 and 7.

    Args:
        model: as `export_onnx` takes it; it is copied.
        path: the file, `.pt2` by custom.
        check_on: `(n, 3, h, w)` float32, real normalised images, at least 1.
        divisor: as in `export_onnx`.

    Raises:
        ExportError: the model can't be exported, or the file can't be written.
        GateError: the program read back doesn't compute what the model computes.
    """
    still = copy.deepcopy(model).cpu().eval()
    try:
        with quiet(), torch.no_grad():
            shapes = (free_dimensions(divisor),)
            program = torch.export.export(still, (example(check_on, divisor),), dynamic_shapes=shapes)
    except Exception as error:  # whatever the model's forward or the exporter raises
        raise ExportError(f"The model can't be exported by torch.export: {first_cause(error)}") from error
    path = Path(path)
    with provisional(path) as unchecked:
        renamed = unchecked.with_suffix(".pt2")  # torch.export insists on the extension
        try:
            with quiet():
                torch.export.save(program, renamed)
                renamed.replace(unchecked)
                with unchecked.open("rb") as written:
                    read = torch.export.load(written).module()
        except RuntimeError as error:  # what PyTorch's own zip writer raises on a full disk
            raise ExportError(f"{path} can't be written: {first_cause(error)}.") from error
        finally:
            renamed.unlink(missing_ok=True)
        max_abs, tolerance = _compare(still, read, check_on)
        size = unchecked.stat().st_size
    found = Check("Largest difference from PyTorch, read back", f"{max_abs:.2g}", f"{tolerance:.2g}")
    return ProgramResult(path, size, max_abs, tolerance, (found,))


def _compare(model: nn.Module, program: nn.Module, images: torch.Tensor) -> tuple[float, float]:
    """Largest difference at several batch sizes, and what is allowed."""
    worst, scale = 0.0, 0.0
    for batch in BATCHES:
        some = images[torch.arange(batch) % len(images)]
        with torch.no_grad():
            wanted, got = model(some), program(some)
        worst = max(worst, float((wanted - got).abs().max()))
        scale = max(scale, float(wanted.abs().max()))
    tolerance = RELATIVE_TOLERANCE * scale + ABSOLUTE_TOLERANCE
    if not worst <= tolerance:
        raise GateError(
            f"The program differs from the model by {worst:.2g}, more than the {tolerance:.2g} of rounding."
        )
    return worst, tolerance
