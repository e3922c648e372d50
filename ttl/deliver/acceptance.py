"""Is a file as good as the fine-tuned model: by the task's metric, and by what it decides?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from ttl.data.kind import Decided, Rows
from ttl.deliver.deliverable import Deliverable
from ttl.errors import GateError
from ttl.export.checks import Check, Figures, FileComparison, Judge, Judgement
from ttl.export.quantize import Verdict
from ttl.export.targets.target import Target
from ttl.stats import NonInferiority, metrics
from ttl.words.metric import metric

METRIC_TOLERANCE = 1e-3
"""Rounding may swap two near-equal scores; more than this in a metric is another model."""


@dataclass(frozen=True)
class Acceptance:
    """What a file must keep to, against the model in PyTorch.

    Attributes:
        deliverable: the model and its data.
        margin: the loss in the metric that doesn't matter.
        most_changed: the share of test images that may be decided otherwise.
    """

    deliverable: Deliverable
    margin: float
    most_changed: float

    def accept(self, graph: onnx.ModelProto) -> Verdict:
        """Whether a candidate is not inferior to float32 on the validation images, and decides them alike.

        Half as many may be decided otherwise as of the test images: they are others, and shall rarely refuse what these
        accepted.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "candidate.onnx"
            path.write_bytes(graph.SerializeToString())
            rows = self.deliverable.from_file(path, "val")
        found, decided = self.deliverable.compared(rows, "val", self.margin), self._changed(rows, "val")
        words = self._sentence(found, "validation")
        if decided is None:
            return Verdict(found.shown, words)
        words += f"; {decided.changed} of {decided.of} decided otherwise"
        return Verdict(found.shown and decided.changed <= self.most_changed / 2 * decided.of, words)

    def judge_of(self, target: Target) -> Judge:
        """What recomputes the task's metrics on the test images from the final file."""

        def judge(path: Path) -> Judgement:
            deliverable, task = self.deliverable, self.deliverable.task
            rows, labels, kind = deliverable.from_file(path, "test"), task.test.labels, task.kind
            own = metrics(kind, labels, rows, kind.file_metrics)
            torchs = metrics(kind, labels, deliverable.predicted["test"])
            deltas = {name: own[name] - value for name, value in torchs.items() if value == value}
            changes = self._changed(rows, "test")
            if target.is_exact:
                _refuse_another_model(deltas, own, torchs)
            elif changes is not None and changes.changed > self.most_changed * changes.of:
                raise GateError(
                    f"The file decides {changes.changed} of {changes.of} test images otherwise than fp32, more than "
                    f"{self.most_changed:.0%}: keep fp32, or allow more with --max-changed; the file was removed"
                )
            found = deliverable.compared(rows, "test", self.margin)
            sentence = self._sentence(found, "test", "PyTorch" if target.is_exact else "fp32")
            if not target.is_exact and not found.shown:
                raise GateError(
                    f"{sentence}: raise --margin ({self.margin:g}) if more may be lost, or keep fp32; the file was "
                    "removed"
                )
            checks = [Check(f"Test {metric(deliverable.metric, '').name} of the file", sentence)]
            if changes is not None:
                allowed = "" if target.is_exact else f"at most {self.most_changed:.0%}"
                words = f"{changes.changed} of {changes.of}"
                checks.insert(0, Check("Decisions on the test images that differ", words, allowed))
            figures = Figures(
                decisions_changed=None if changes is None else (changes.changed, changes.of),
                test=own,
                parity_metric_delta=deltas,
                sentence=f"{sentence}.",
                comparison=FileComparison(margin=self.margin, non_inferior=found.shown, difference=found.difference),
            )
            return Judgement(tuple(checks), figures)

        return judge

    def _changed(self, rows: Rows, split: str) -> Decided | None:
        """How many images (in multi-label tasks labels) are decided otherwise than in PyTorch.

        None of a segmentation: its metric is one of decisions.
        """
        return self.deliverable.task.kind.changed(rows, self.deliverable.predicted[split])

    def _sentence(self, found: NonInferiority, split: str, reference: str = "fp32") -> str:
        """The non-inferiority sentence against the model in float32."""
        known, gap = metric(self.deliverable.metric, self.deliverable.distance_unit), found.difference
        between = f"{gap.ci_low:+.4f} to {gap.ci_high:+.4f}"
        verdict = (
            f"not inferior to {reference} by a margin of {found.margin:g}"
            if found.shown
            else f"not shown to lose less than {found.margin:g} against {reference}"
        )
        return (
            f"Difference in {split} {known.name} from {reference} {gap.value:+.4f} (95 % interval {between}): {verdict}"
        )


def _refuse_another_model(deltas: Mapping[str, float], own: Mapping[str, float], torchs: Mapping[str, float]) -> None:
    worst = max(deltas, key=lambda name: abs(deltas[name]), default=None)
    if worst is not None and not abs(deltas[worst]) <= METRIC_TOLERANCE:
        raise GateError(
            f"The file gives a test {worst} of {own[worst]:.4f} where the fine-tuned model gave {torchs[worst]:.4f}: "
            "the exported graph isn't the model, so the file was removed"
        )
