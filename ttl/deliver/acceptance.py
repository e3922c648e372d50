"""Is a file as good as the fine-tuned model: by the task's metric, and by what it decides?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx

from ttl.data.kind import Decided
from ttl.deliver.deliverable import Deliverable
from ttl.errors import GateError
from ttl.export.checks import MOST_TIES, Check, Figures, FileComparison, Judgement
from ttl.export.contract import from_properties
from ttl.export.quantize import Verdict
from ttl.export.targets.target import Target
from ttl.stats import NonInferiority, clopper_pearson, metrics
from ttl.words.estimate import Estimate
from ttl.words.metric import metric

METRIC_TOLERANCE = 1e-3
"""Rounding may swap two near-equal scores; more than this in a metric is another model."""
TIES_IN_WORDS = 5
RESIZED_IN_FILE = "with embedded preprocessing the file resizes decoded images, and rounds otherwise than training does"
WHOLE_IMAGES = (
    "with embedded preprocessing the file does images larger than the training crops whole, and not in windows as ttl"
)


@dataclass(frozen=True)
class Acceptance:
    """What a file must keep to, against the model in PyTorch.

    `margin` is the loss in the metric that doesn't matter, `most_changed` the share of test images (in multi-label
    tasks of labels) that may be decided otherwise. A file is refused where its share is shown to be larger: the lower
    limit of the exact 95 % interval lies above, so that of few images one doesn't refuse it.
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
        comparison, changes = self.deliverable.compared(rows, "val", self.margin), self.deliverable.changed(rows, "val")
        words = self._sentence(comparison, "validation", "fp32")
        if changes is None:
            return Verdict(comparison.shown, words)
        words += f"; {changes.changed} of {changes.of} decided otherwise"
        return Verdict(comparison.shown and changes.changed <= self.most_changed / 2 * changes.of, words)

    def judge(self, target: Target, path: Path) -> Judgement:
        """Recompute the task's metrics on the test images from the final file.

        Raises:
            GateError: it isn't the model, decides too much otherwise, or isn't shown to be non-inferior.
        """
        deliverable, task = self.deliverable, self.deliverable.task
        kind, labels = task.kind, task.test.labels
        rows = deliverable.from_file(path, "test")
        own = metrics(kind, labels, rows, task.file_metrics)
        reference = metrics(kind, labels, deliverable.predicted["test"])
        deltas = {name: own[name] - value for name, value in reference.items() if value == value}
        changes = deliverable.changed(rows, "test")
        worst = max(deltas, key=lambda name: abs(deltas[name]), default=None)
        if target.is_exact and worst is not None and not abs(deltas[worst]) <= METRIC_TOLERANCE:
            gave = f"The file gives a test {worst} of {own[worst]:.4f} where the fine-tuned model gave "
            why = "the exported graph isn't the model, so"
            if from_properties(target.properties(path), path).embeds_preprocessing:
                why = f"{WHOLE_IMAGES if kind.per_pixel else RESIZED_IN_FILE}: leave --embed-preprocessing out;"
            raise GateError(f"{gave}{reference[worst]:.4f}: {why} the file was removed")
        share = clopper_pearson(changes.changed, changes.of) if changes else Estimate()
        if not target.is_exact and changes and share.ci_low > self.most_changed:
            raise GateError(
                f"The file decides {changes.changed} of {changes.of} test {deliverable.contract.rule.per}s otherwise "
                f"than fp32, which is shown to be more than {self.most_changed:.0%} (95 % interval {share.ci_low:.1%} "
                f"to {share.ci_high:.1%}): keep fp32, or allow more with --max-changed; the file was removed"
            )
        comparison = deliverable.compared(rows, "test", self.margin)
        sentence = self._sentence(comparison, "test", "PyTorch" if target.is_exact else "fp32")
        if not target.is_exact and not comparison.shown:
            raise GateError(
                f"{sentence}: raise --margin ({self.margin:g}) if more may be lost, or keep fp32; the file was removed"
            )
        checks = [Check(f"Test {metric(deliverable.metric).name} of the file", sentence)]
        if changes is not None:
            allowed = "" if target.is_exact else f"not shown to be more than {self.most_changed:.0%}"
            words = f"{changes.changed} of {changes.of} (95 % interval {share.ci_low:.1%} to {share.ci_high:.1%})"
            words += _ties(changes, bool(deliverable.contract.rule.thresholds))
            checks.insert(0, Check("Decisions on the test images that differ", words, allowed))
        difference, is_shown = comparison.difference, comparison.shown
        figures = Figures(
            decisions_changed=None if changes is None else (changes.changed, changes.of),
            tie_distances=changes.distances[:MOST_TIES] if changes and changes.changed else None,
            test=own,
            at_point=deliverable.at_point(rows, "test") or None,
            parity_metric_delta=deltas,
            sentence=f"{sentence}.",
            comparison=FileComparison(margin=self.margin, non_inferior=is_shown, difference=difference),
        )
        return Judgement(tuple(checks), figures)

    def _sentence(self, comparison: NonInferiority, split: str, reference: str) -> str:
        name, gap, margin = metric(self.deliverable.metric).name, comparison.difference, f"{comparison.margin:g}"
        verdict = (
            f"not inferior to {reference} by a margin of {margin}"
            if comparison.shown
            else f"not shown to lose less than {margin} against {reference}"
        )
        between = f"{gap.ci_low:+.4f} to {gap.ci_high:+.4f}"
        return f"Difference in {split} {name} from {reference} {gap.value:+.4f} (95 % interval {between}): {verdict}"


def _ties(changes: Decided, has_thresholds: bool) -> str:
    """How near to a tie those decisions were, in PyTorch."""
    if not changes.distances:
        return ""
    what = "the threshold" if has_thresholds else "the next class"
    shown = ", ".join(f"{distance:.2g}" for distance in changes.distances[:TIES_IN_WORDS])
    more = "" if changes.changed <= TIES_IN_WORDS else f", and {changes.changed - TIES_IN_WORDS} nearer"
    return f"; in PyTorch their probabilities are this far from {what}: {shown}{more}"
