"""Does a graph take and give what its contract says? Asked before anything is fed to it: a file may be a stranger's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ttl.errors import ExportError
from ttl.export.contract import AGAIN, Contract
from ttl.export.usage.from_contract import ends_of

PROBABILITIES = "probabilities"
TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}
"""onnxruntime's names of them."""
Dims = Sequence[int | str | None]
"""Of a tensor: numbers where they are fixed, names or nothing where they are free."""


class Node(Protocol):
    """An input or output as onnxruntime describes it."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def shape(self) -> Dims: ...  # noqa: D102


@dataclass(frozen=True)
class End:
    """An input or output of a graph; a dimension is None where it has to be free."""

    name: str
    type: str
    dims: tuple[int | str | None, ...]

    def fits(self, wanted: End) -> bool:
        """Whether it is what was wanted; a free dimension where a fixed one was wanted is seen to when it is run."""
        if (self.name, self.type, len(self.dims)) != (wanted.name, wanted.type, len(wanted.dims)):
            return False
        pairs = zip(self.dims, wanted.dims, strict=True)
        return all(not isinstance(own, int) or own == other for own, other in pairs)

    def __str__(self) -> str:
        dims = ", ".join("any" if dim is None else str(dim) for dim in self.dims)
        return f"{self.name!r} {self.type.removeprefix('tensor')} of shape ({dims})"


def wanted_ends(contract: Contract) -> tuple[End, End]:
    """The input and the output that a file with this contract has."""
    taken, given = (
        End(each.name, TYPES[each.type], tuple(side if isinstance(side, int) else None for side in each.shape))
        for each in ends_of(contract)
    )
    return taken, given


def check_ends(inputs: Iterable[Node], outputs: Iterable[Node], contract: Contract, path: Path) -> None:
    """Compare number, names, types, ranks and widths.

    Raises:
        ExportError: they differ; the sentence names the first that does.
    """
    for verb, nodes, wanted in zip(("takes", "gives"), (inputs, outputs), wanted_ends(contract), strict=True):
        own = [End(node.name, node.type, tuple(node.shape)) for node in nodes]
        if len(own) != 1 or not own[0].fits(wanted):
            found = " and ".join(map(str, own[:2])) + (f" and {len(own) - 2} more" if len(own) > 2 else "")
            raise ExportError(
                f"{path} can't be trusted: its graph {verb} {found or 'nothing'}, and its metadata are of one that "
                f"{verb} {wanted}; {AGAIN}."
            )


def check_output(shape: tuple[int, ...], fed: tuple[int, ...], contract: Contract, path: Path) -> None:
    """Compare what a graph gave for a batch with what its contract says; shapes are those of the arrays.

    Raises:
        ExportError: it has other dimensions.
    """
    classes = len(contract.class_names) if contract.embeds_preprocessing else contract.outputs
    sides = fed[1:3] if contract.embeds_preprocessing else fed[2:]
    wanted = (fed[0], classes, *(sides if contract.per_pixel else ()))
    if shape != wanted:
        raise ExportError(
            f"{path} can't be trusted: its graph gave {shape} for images {fed}, and by its metadata it would give "
            f"{wanted}; {AGAIN}."
        )
