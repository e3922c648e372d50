"""The exported files, and what was checked on them."""

from __future__ import annotations

from ttl.report import units
from ttl.report.blocks import Facts, Section, facts
from ttl.report.estimate import number
from ttl.report.reading import Report, mapping

EXPORT_LABELS = {
    "path": "File",
    "precision": "Precision",
    "opset": "Opset",
    "parity_max_abs": "Largest difference from PyTorch",
    "parity_metric_delta": "Metric recomputed from the ONNX file, less PyTorch's",
    "full_path": "Whole network, for comparison",
}


def export_checks(report: Report) -> Section | None:
    """What was checked on the exported files."""
    export = mapping(report.raw, "export")
    if not export:
        return None
    sizes = ("size_bytes", "full_size_bytes")
    checks = facts(export, EXPORT_LABELS, leave_out=sizes)
    shown = [("File size", "size_bytes"), ("File size, whole network", "full_size_bytes")]
    pairs = tuple((label, units.size(number(export[key]))) for label, key in shown if key in export)
    return Section("export", "Checks of the exported file", (Facts(checks.pairs + pairs),))
