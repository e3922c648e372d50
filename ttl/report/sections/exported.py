"""The exported files, and what was checked on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttl.report.blocks import Block, Cell, Prose, Section, Table, row
from ttl.report.reading import Report, items, mapping, records
from ttl.words import units
from ttl.words.estimate import number

INTRODUCTION = (
    "A file gets its name when it has passed every check; one that fails a check is removed. The metric is computed "
    "again from the file itself, on the test images."
)


def export_checks(report: Report) -> Section | None:
    """Every file in three states, then what each that passed was checked for."""
    export = mapping(report.raw, "export")
    files = records(report.raw, "exports") or ((export,) if export else ())
    if not files:
        return None
    blocks: list[Block] = [Prose(INTRODUCTION), _files_table(report, files)]
    blocks += [_checks_table(file, folded=i > 0) for i, file in enumerate(f for f in files if items(f, "checks"))]
    return Section("export", "The exported files and their checks", tuple(blocks))


def _files_table(report: Report, files: tuple[Mapping[str, Any], ...]) -> Table:
    rows = (
        row(
            Cell(_name(file), str(file.get("precision") or "")),
            Cell(_state(file), str(file.get("why") or "")),
            units.size(number(file.get("size_bytes"))),
            units.significant(number(file.get("parity_max_abs"))),
            _changed(file),
            report.score.text(number(mapping(file, "test").get(report.metric))),
            _difference(report, file),
            mark="chosen" if _name(file) == mapping(report.raw, "export").get("path") else "",
        )
        for file in files
    )
    columns = (
        "File",
        "State",
        "Size",
        "Off PyTorch by",
        "Decided otherwise",
        f"Test {report.metric_name}",
        "Less fp32's",
    )
    caption = (
        "Files of this run, whatever became of them: passed, failed, or not exported. Off PyTorch by: the largest "
        "difference of a logit. Decided otherwise: test images to which the file gives another class than PyTorch in "
        "float32 does. The metric is the file's; the last column is its difference from fp32's, with a 95% interval."
    )
    return Table(caption, columns, tuple(rows), n_text=2)


def _name(file: Mapping[str, Any]) -> str:
    return str(file.get("file") or file.get("path") or "?")


def _state(file: Mapping[str, Any]) -> str:
    return {"failed": "exported, but failed"}.get(str(file.get("state")), str(file.get("state") or "passed"))


def _changed(file: Mapping[str, Any]) -> str:
    """`3 of 200`; nothing of masks."""
    found = tuple(number(value) for value in items(file, "decisions_changed"))
    return f"{units.whole(found[0])} of {units.whole(found[1])}" if len(found) == 2 else units.MISSING


def _difference(report: Report, file: Mapping[str, Any]) -> Cell:
    """The metric's difference from fp32 with its interval."""
    gap = mapping(mapping(file, "comparison"), "difference")
    value, low, high = (number(gap.get(key)) for key in ("value", "ci_low", "ci_high"))
    if value != value:
        return Cell(units.MISSING)
    signed = report.score.signed
    words = "not inferior" if mapping(file, "comparison").get("non_inferior") else "not shown to be non-inferior"
    return Cell(signed(value), f"{signed(low)} to {signed(high)}: {words}")


def _checks_table(file: Mapping[str, Any], *, folded: bool) -> Table:
    rows = tuple(
        row(str(check.get("name")), str(check.get("found")), str(check.get("wanted") or ""))
        for check in records(file, "checks")
    )
    return Table(f"Checks of {_name(file)}", ("Check", "Found", "Wanted"), rows, n_text=3, folded=folded)
