"""The way from an image file to a decision, made from the contract and compared with the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from ttl.errors import ExportError
from ttl.export.usage import words
from ttl.export.usage.parts import (
    By,
    Decision,
    Decoding,
    Deep,
    Grey,
    Normalisation,
    Pixels,
    Probabilities,
    Tensor,
    Usage,
    Windows,
)

if TYPE_CHECKING:
    from ttl.export.contract import Contract

SIDES = ("height", "width")
TYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.UINT8: "uint8"}


def usage_of(contract: Contract) -> Usage:
    """How a file of this contract is used."""
    embedded, rule, stored = contract.embeds_preprocessing, contract.rule, contract.decoding
    taken, output = _ends(contract)
    decoding = Decoding(stored.frame, stored.window, Deep(stored.stretch, stored.value_range))
    pixels = None if embedded else _pixels(contract)
    by: By = "most probable"
    if rule.thresholds:
        by = "finding" if rule.finding else "labels"
    decision = Decision(by, rule.finding, rule.thresholds, rule.per, rule.combine)
    normalisation = None if embedded else Normalisation(contract.mean, contract.std)
    probabilities = _probabilities(contract)
    steps = [*words.decoded(decoding), *(words.fed(pixels) if pixels else ())]
    shape = ", ".join(map(str, taken.shape))
    if normalisation is None:
        steps.append(f"Give `{taken.name}` the pixels, {taken.type} ({shape}), 1 channel or 3 (R, G, B).")
    else:
        mean, std = list(contract.mean), list(contract.std)
        scaled = f"(pixel / {normalisation.divide_by} - mean) / std, mean {mean} and std {std}, a channel each"
        steps.append(f"Give `{taken.name}` {scaled}, {taken.type} ({shape}).")
    steps += [words.given(output, contract.class_names, probabilities), words.decided(decision, contract.class_names)]
    return Usage(
        input=taken,
        output=output,
        class_names=contract.class_names,
        decoding=decoding,
        pixels=pixels,
        normalisation=normalisation,
        probabilities=probabilities,
        decision=decision,
        steps=tuple(steps),
    )


def check_ends(path: Path, usage: Usage) -> None:
    """Refuse a file whose graph takes or gives something else than is said of it.

    Raises:
        ExportError: it does.
    """
    graph = onnx.load(str(path)).graph
    for what, found, wanted in (("takes", graph.input, usage.input), ("gives", graph.output, usage.output)):
        there = [_tensor(value) for value in graph_values(found)]
        if len(there) != 1 or not _fits(there[0], wanted):
            seen = " and ".join(_written(each) for each in there) or "nothing"
            raise ExportError(
                f"The graph in {path} {what} {seen}, and by its contract {_written(wanted)}: export it again."
            )


def graph_values(values: Sequence[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
    """The tensors among a graph's inputs or outputs."""
    return [value for value in values if value.type.HasField("tensor_type")]


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    tensor = value.type.tensor_type
    shape = tuple(side.dim_value if side.HasField("dim_value") else side.dim_param for side in tensor.shape.dim)
    return Tensor(value.name, TYPES.get(tensor.elem_type, str(tensor.elem_type)), shape)


def _fits(found: Tensor, wanted: Tensor) -> bool:
    """Free sides may have other names, and a graph may leave open what is fixed."""
    sides = zip(found.shape, wanted.shape, strict=False)
    return ((found.name, found.type, len(found.shape)) == (wanted.name, wanted.type, len(wanted.shape))) and all(
        isinstance(one, str) or one == other for one, other in sides
    )


def _written(tensor: Tensor) -> str:
    return f"{tensor.name}, {tensor.type} ({', '.join(str(side) or '?' for side in tensor.shape)})"


def _ends(contract: Contract) -> tuple[Tensor, Tensor]:
    if contract.embeds_preprocessing:
        free = SIDES if contract.per_pixel else ()
        return (
            Tensor("image", "uint8", ("batch", *SIDES, "channels")),
            Tensor("probabilities", "float32", ("batch", len(contract.class_names), *free)),
        )
    sides: tuple[str | int, ...] = SIDES if contract.free_sides else contract.sides
    drawn = sides if contract.per_pixel else ()
    taken = Tensor("image", "float32", ("batch", len(contract.mean), *sides))
    return taken, Tensor("logits", "float32", ("batch", contract.outputs, *drawn))


def _pixels(contract: Contract) -> Pixels:
    if not contract.per_pixel:
        own = contract.decoding
        return Pixels(contract.channels, Grey(), contract.sides, own.interpolation, own.fit, None, None)
    multiples = (contract.divisor,) * len(contract.sides) if contract.free_sides else contract.sides
    windows = tuple(-(-side // of) * of for side, of in zip(contract.sides, multiples, strict=True))
    return Pixels(contract.channels, Grey(), None, None, None, multiples, Windows(windows))


def _probabilities(contract: Contract) -> Probabilities:
    if contract.embeds_preprocessing:
        return "none"
    if contract.per_pixel and contract.outputs < len(contract.class_names):
        return "sigmoid of the second class"
    return contract.activation
