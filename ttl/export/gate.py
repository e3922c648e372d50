"""What a file has to pass before it gets its name, in words that can be shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from ttl.errors import ExportError, GateError
from ttl.export.checks import Check, Figures
from ttl.export.parity import Parity
from ttl.export.quiet import first_line
from ttl.export.structure import OUTPUT, check_structure, unfolded_norms, unread_weights


@dataclass(frozen=True)
class Judgement:
    """What was found with data of the task: checks in words, and their figures."""

    checks: tuple[Check, ...] = ()
    figures: Figures = field(default_factory=Figures)


Judge = Callable[[Path], Judgement]
"""Looks at a file that is written and not yet under its name; raises GateError to refuse it."""


def no_judge(path: Path) -> Judgement:
    """Where there is no data to judge by."""
    return Judgement()


def check_graph(path: Path, *, output: str = OUTPUT) -> tuple[Check, ...]:
    """The ONNX checker with full type and shape inference, and the structure of the graph as it is in the file.

    Args:
        path: the file.
        output: what its one output is called.

    Raises:
        GateError: the checker refuses it, or its structure isn't that of a graph for inference in one file.
    """
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise GateError(f"The ONNX checker refuses the exported graph: {first_line(error)}") from error
    graph = onnx.load(str(path), load_external_data=False)
    try:
        check_structure(graph, output=output)
    except ExportError as error:
        raise GateError(str(error)) from error
    if unread := unread_weights(graph):
        raise GateError(f"The exported graph holds weights that nothing reads: {', '.join(sorted(unread)[:3])}.")
    left, foldable = unfolded_norms(graph)
    ends = " -> ".join(_shape(value) for value in (graph.graph.input[0], graph.graph.output[0]))
    folded = f"{left} left, {foldable} of them right after a convolution" if left else "none left"
    return (
        Check("ONNX checker, full", "passed"),
        Check("Names and shapes", ends, "one input, one output, the batch free"),
        Check("Batch norms", folded, "folded where they follow a convolution"),
        Check("Unused weights, training operators, second files", "none", "none"),
    )


def _shape(value: onnx.ValueInfoProto) -> str:
    dims = (dim.dim_param or str(dim.dim_value) for dim in value.type.tensor_type.shape.dim)
    return f"{value.name} ({', '.join(dims)})"


def parity_checks(parity: Parity, how_run: str) -> tuple[Check, ...]:
    """What the comparison with PyTorch found, and how the file was run for it."""
    batches = ", ".join(map(str, parity.batches))
    return (
        Check(how_run, f"batches of {batches}", "finite, the model's shapes"),
        Check("Largest difference from PyTorch float32", f"{parity.max_abs:.2g}", _allowed(parity)),
        Check(
            "Largest difference from PyTorch float64",
            f"{parity.float64_max_abs:.2g} (PyTorch's own rounding {parity.rounding:.2g}, largest logit "
            f"{parity.scale:.2g})",
        ),
        Check(
            "Decisions that differ from PyTorch's",
            f"{parity.changed} of {parity.decided}",
            "the metric decides" if parity.tolerance is None else "where two classes are as good as level",
        ),
    )


def elsewhere(device: str, found: Parity | str) -> Check:
    """What was found on another device than the CPU, or why it wasn't looked at."""
    name = f"On {device}"
    if isinstance(found, str):
        return Check(name, f"not checked: {found}")
    return Check(name, f"differs from PyTorch by {found.max_abs:.2g}", _allowed(found))


def _allowed(parity: Parity) -> str:
    return "the metric decides" if parity.tolerance is None else f"{parity.tolerance:.2g}"
