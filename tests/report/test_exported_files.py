"""What the page says of exported files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ttl.deliver.file_record import FileRecord
from ttl.export.checks import Check, FileComparison
from ttl.report.page_blocks import Table
from ttl.report.sections.exported_files import export_checks
from ttl.words.estimate import Estimate

from . import example

CHECKS = (
    Check("ONNX checker, full", "passed"),
    Check("Largest difference", "0.01", "0.02"),
)


def file(name: str, state: Any = "passed", **more: Any) -> FileRecord:
    return FileRecord(file=name, state=state, precision="int8", trial="3fa9c1d7", **more)


def tables(*files: FileRecord) -> list[Table]:
    section = export_checks(replace(example.finished(), exports=files))
    assert section is not None
    return [block for block in section.blocks if isinstance(block, Table)]


def test_a_file_that_passed_has_its_figures_and_its_checks() -> None:
    passed = file(
        "model.onnx",
        size_bytes=1_300_000,
        parity_max_abs=0.104,
        decisions_changed=(3, 200),
        test={"auprc": 0.9},
        comparison=FileComparison(margin=0.01, non_inferior=True, difference=Estimate(-0.001, -0.004, 0.002)),
        checks=CHECKS,
    )
    files, checks = tables(passed)
    cells = files.rows[0].cells
    texts = ["model.onnx", "passed", "1.30 MB", "0.104", "3 of 200", "0.900", "−0.001"]  # noqa: RUF001
    assert [cell.text for cell in cells] == texts
    assert cells[-1].note == "−0.004 to +0.002: not inferior"  # noqa: RUF001
    assert files.rows[0].mark == "chosen"
    assert [[cell.text for cell in row.cells] for row in checks.rows] == [
        ["ONNX checker, full", "passed", ""],
        ["Largest difference", "0.01", "0.02"],
    ]
    assert not checks.folded


def test_files_that_are_not_there_say_why() -> None:
    (files,) = tables(
        file("a.onnx", "failed", why="It is worse."), file("b.onnx", "not exported", why="No such operator.")
    )
    states = [(row.cells[1].text, row.cells[1].note) for row in files.rows]
    assert states == [("exported, but failed", "It is worse."), ("not exported", "No such operator.")]
    assert {cell.text for row in files.rows for cell in row.cells[2:]} == {"–"}  # noqa: RUF001


def test_checks_of_further_files_are_folded() -> None:
    _, first, second = tables(file("a.onnx", checks=CHECKS), file("b.onnx", checks=CHECKS))
    assert (first.folded, second.folded) == (False, True)


def test_before_the_export_there_is_no_section() -> None:
    assert export_checks(example.unfinished()) is None
