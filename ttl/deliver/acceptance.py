"""Is a file as good as the fine-tuned model: by the task's metric, and by what it decides?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from ttl.deliver.deliverable import Deliverable
from ttl.errors import GateError
from ttl.export.gate import Check, Judge, Judgement
from ttl.export.quantize import Verdict
from ttl.export.to_onnx import Precision
from ttl.run.trial import Rows
from ttl.stats import NonInferiority, all_metrics, metrics
from ttl.words.metric import metric

METRIC_TOLERANCE = 1e-3
"""Rounding may swap two near-equal scores; more than this in a metric is another model."""


def acceptance(deliverable: Deliverable, margin: float, most_changed: float) -> Callable[[onnx.ModelProto], Verdict]:
    """Whether a candidate is not inferior to float32 on the validation images, and decides them alike.

    Half as many may be decided otherwise as of the test images: they are others, and shall rarely refuse what these
    accepted.
    """

    def accept(graph: onnx.ModelProto) -> Verdict:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "candidate.onnx"
            path.write_bytes(graph.SerializeToString())
            rows = deliverable.from_file(path, "val")
        found, (changed, of) = deliverable.compared(rows, "val", margin), _changed(deliverable, rows, "val")
        words = f"{_sentence(deliverable, found, 'validation')}; {changed} of {of} decided otherwise"
        return Verdict(found.shown and changed <= most_changed / 2 * of, words)

    return accept


def judgement_on_test(deliverable: Deliverable, precision: Precision, margin: float, most_changed: float) -> Judge:
    """Recomputes the task's metrics on the test images from the final file."""

    def judge(path: Path) -> Judgement:
        rows = deliverable.from_file(path, "test")
        labels, kind = deliverable.task.test.labels, deliverable.task.kind
        own, torchs = metrics(kind, labels, rows), metrics(kind, labels, deliverable.predicted["test"])
        deltas = {name: own[name] - torchs[name] for name in own if torchs[name] == torchs[name]}
        changed, of = _changed(deliverable, rows, "test")
        if precision == "fp32":
            _refuse_another_model(deltas, own, torchs)
        elif changed > most_changed * of:
            raise GateError(
                f"The file decides {changed} of {of} test images otherwise than fp32, more than "
                f"{most_changed:.0%}: keep fp32, or allow more with --max-changed; the file was removed"
            )
        found = deliverable.compared(rows, "test", margin)
        sentence = _sentence(deliverable, found, "test", "PyTorch" if precision == "fp32" else "fp32")
        if precision != "fp32" and not found.shown:
            raise GateError(
                f"{sentence}: raise --margin ({margin:g}) if more may be lost, or keep fp32; the file was removed"
            )
        allowed = "" if precision == "fp32" else f"at most {most_changed:.0%}"
        decided = Check("Decisions on the test images that differ", f"{changed} of {of}", allowed)
        judged = Check(f"Test {metric(deliverable.metric, '').name} of the file", sentence)
        checks = (judged,) if deliverable.segments else (decided, judged)
        figures = {
            **({} if deliverable.segments else {"decisions_changed": [changed, of]}),
            "test": {name: _plain(value) for name, value in _all_of(kind, labels, rows).items()},
            "parity_metric_delta": deltas,
            "sentence": f"{sentence}.",
            "comparison": {"margin": margin, "non_inferior": found.shown, "difference": found.difference.to_json()},
        }
        return Judgement(checks, figures)

    return judge


def _refuse_another_model(deltas: Mapping[str, float], own: Mapping[str, float], torchs: Mapping[str, float]) -> None:
    worst = max(deltas, key=lambda name: abs(deltas[name]), default=None)
    if worst is not None and not abs(deltas[worst]) <= METRIC_TOLERANCE:
        raise GateError(
            f"The file gives a test {worst} of {own[worst]:.4f} where the fine-tuned model gave {torchs[worst]:.4f}: "
            "the exported graph isn't the model, so the file was removed"
        )


def _changed(deliverable: Deliverable, rows: Rows, split: str) -> tuple[int, int]:
    """How many images (in multi-label tasks labels) are decided otherwise than in PyTorch, and of how many.

    None of a segmentation: its metric is one of decisions.
    """
    wanted, kind = deliverable.predicted[split], deliverable.task.kind
    if kind == "segmentation":
        return 0, len(rows)
    if kind == "multilabel":
        return int(((rows > 0.5) != (wanted > 0.5)).sum()), rows.size
    return int((rows.argmax(1) != wanted.argmax(1)).sum()), len(rows)


def _sentence(deliverable: Deliverable, found: NonInferiority, split: str, reference: str = "fp32") -> str:
    """The non-inferiority sentence against the model in float32."""
    known, gap = metric(deliverable.metric, deliverable.distance_unit), found.difference
    between = f"{gap.ci_low:+.4f} to {gap.ci_high:+.4f}"
    verdict = (
        f"not inferior to {reference} by a margin of {found.margin:g}"
        if found.shown
        else f"not shown to lose less than {found.margin:g} against {reference}"
    )
    return f"Difference in {split} {known.name} from {reference} {gap.value:+.4f} (95 % interval {between}): {verdict}"


def _all_of(kind: str, labels: npt.NDArray[np.int64], rows: Rows) -> Mapping[str, float]:
    """Every metric, but for distances between edges, which take their time and move with the masks."""
    return metrics(kind, labels, rows, None if kind == "segmentation" else all_metrics(kind))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
