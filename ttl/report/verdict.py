"""What the test images show of the chosen cut against the whole network, in a word, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.export.checks import FileComparison
from ttl.report.schema import RunReport
from ttl.report.wording import undertrained
from ttl.stats.sample_size import WANTED
from ttl.words.metric import Metric
from ttl.words.text import capitalised

VERDICTS = {
    "cut": "As good",
    "unsure": "Not shown",
    "worse": "Worse: don't cut",
    "keep": "Don't cut",
    "open": "No verdict yet",
}
"""Of the chosen cut against the whole network, on the test images; each has its colour."""


@dataclass(frozen=True)
class Claim:
    """That a cut loses less than a margin in one metric; differences are truncated less whole."""

    metric: Metric
    of: FileComparison

    @property
    def is_worse(self) -> bool:
        """Whether it is shown to be worse, by a margin that isn't ruled out."""
        gap = self.of.difference
        return not self.of.non_inferior and (gap.ci_low > 0 if self.metric.lower_is_better else gap.ci_high < 0)

    @property
    def is_better(self) -> bool:
        """Whether it is shown to be better."""
        gap = self.of.difference
        return self.of.non_inferior and (gap.ci_high < 0 if self.metric.lower_is_better else gap.ci_low > 0)

    def words(self) -> str:
        """What is shown, with the interval and the margin, in one sentence."""
        gap, signed, margin = self.of.difference, self.metric.signed, f"{self.of.margin:g}"
        rise = "rise" if self.metric.lower_is_better else "loss"
        if self.is_better:
            found = "shown to be better"
        elif self.of.non_inferior:
            found = f"shown to be as good, a {rise} of {margin} is ruled out"
        elif self.is_worse:
            found = "shown to be worse"
        else:
            found = f"not shown, a {rise} of {margin} can't be ruled out"
        figures = f"difference {signed(gap.value)}, "
        if gap.has_interval:
            figures += f"95% interval {signed(gap.ci_low)} to {signed(gap.ci_high)}"
        else:
            figures += "without an interval"
        name = self.metric.name
        return f"{capitalised(name)}: {found} ({figures})."


@dataclass(frozen=True)
class Verdict:
    """`tone` is a key of `VERDICTS`; `reasons` are sentences."""

    tone: str
    reasons: tuple[str, ...] = ()


def verdict(report: RunReport) -> Verdict:
    """The verdict of a finished study.

    A cut is as good where the metric that chooses and the decisions are both shown to be, and worse where either is
    shown to be worse. Against a whole network that is under-trained nothing is shown.
    """
    if report.keeps_whole:
        return Verdict("keep")
    claims = claims_of(report)
    if not claims:
        return Verdict("open")
    reasons = [claim.words() for claim in claims]
    if report.decisions is None and not report.task.kind.per_pixel:
        reasons.append("What the two decide was not compared.")
    if any(claim.is_worse for claim in claims):
        return Verdict("worse", tuple(reasons))
    found = report.full.undertrained if report.full else None
    if found is not None and found.blocks:
        return Verdict("unsure", (undertrained(report)["full"], *reasons))
    if report.as_good:
        return Verdict("cut", tuple(reasons))
    of = report.comparison
    if of is not None and of.power is not None and of.power.chance < WANTED:
        reasons.append(f"Too few images: {of.power.words(report.score.name, of.margin)}")
    return Verdict("unsure", tuple(reasons))


def claims_of(report: RunReport) -> list[Claim]:
    """Of the metric that chooses, then of the decisions; those that could be judged."""
    compared: list[tuple[str, FileComparison]] = []
    if report.comparison is not None:
        compared.append((report.comparison.metric, report.comparison))
    if report.decisions is not None and report.decisions.endpoint is not None:
        compared.append((report.decisions.endpoint.metric, report.decisions.endpoint))
    return [Claim(report.measure(key), of) for key, of in compared if of.difference.is_defined]
