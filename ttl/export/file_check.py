"""Is an exported file what it says it is? Looked at step by step: digests, contract against graph, golden example."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ttl.cost.session import check_file
from ttl.errors import ExportError
from ttl.export.digest import OF_GRAPH, read_whole
from ttl.export.example import example_in
from ttl.export.run import FileModel, is_ir, open_model, properties_of

State = Literal["right", "wrong", "not there"]


@dataclass(frozen=True)
class Step:
    """One step: `difference` is the golden example's largest one from what is expected, `tolerance` what it may be."""

    name: Literal["digests", "contract and graph", "golden example"]
    state: State
    why: str = ""
    difference: float | None = None
    tolerance: float | None = None


def check_exported(path: Path) -> tuple[Step, ...]:
    """The steps that could be taken: after one that is wrong there are no more.

    Raises:
        ExportError: there is no such file.
    """
    check_file(path)
    try:
        sealed = _is_sealed(path)
    except ExportError as error:
        return (Step("digests", "wrong", _own(error, path)),)
    digests = Step("digests", "right") if sealed else Step("digests", "not there", "taken out, or of version 0.1")
    try:
        model = open_model(path)
    except ExportError as error:
        return digests, Step("contract and graph", "wrong", _own(error, path))
    return digests, Step("contract and graph", "right"), _computed_again(model)


def _is_sealed(path: Path) -> bool:
    """Whether it has digests; an ExportError where they aren't those of its bytes."""
    if is_ir(path):
        return bool(properties_of(path))
    return OF_GRAPH.encode() in read_whole(path)[0]


def _computed_again(model: FileModel) -> Step:
    name: Literal["golden example"] = "golden example"
    try:
        example = example_in(model.properties, model.path)
        if example is None:
            return Step(name, "not there", "of an earlier version")
        found = example.difference(model.run(example.image))
    except ExportError as error:
        return Step(name, "wrong", _own(error, model.path))
    if found <= example.tolerance:
        return Step(name, "right", "", found, example.tolerance)
    return Step(name, "wrong", "this runtime doesn't compute what the exported file did", found, example.tolerance)


def _own(error: ExportError, path: Path) -> str:
    return str(error).removeprefix(f"{path} ")
