"""The top of the page: one sentence that a clinician understands, and one on how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ttl.report.patients import tried_on
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import ratio_of
from ttl.report.schema.searched import PointResult
from ttl.report.wording import noun
from ttl.words import units
from ttl.words.counts import counted
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric


@dataclass(frozen=True)
class Headline:
    """What was chosen, how sure that is, and what it was tried on; `tone` is `cut`, `keep` or `open` (undecided)."""

    tone: str
    sentence: str
    remark: str = ""
    tried: str = ""


def headline(report: RunReport) -> Headline:
    """The headline of a study, finished or not."""
    if report.chosen is None:
        return Headline("open", _so_far(report), "The same command again runs only what is missing.")
    tone, sentence = ("keep", _keep(report)) if report.keeps_whole else ("cut", _cut(report, report.chosen))
    tried = tried_on(report) if report.chosen.test else ""
    if report.is_finished:
        return Headline(tone, sentence, _certainty(report), tried)
    missing = "Unfinished: later steps are missing, so figures may be too."
    return Headline("open", sentence, f"{missing} {_certainty(report)}".strip(), tried)


def _with_interval(metric: Metric, estimate: Estimate, words: str = "") -> str:
    """`0.963 (0.941 to 0.981)`, with `words` before the interval."""
    interval = f" ({words}{metric.interval(estimate)})" if estimate.has_interval else ""
    return f"{metric.text(estimate.value)}{interval}"


def _so_far(report: RunReport) -> str:
    text = f"Unfinished: {counted(len(report.candidates), 'candidate')} tried so far, and no verdict yet"
    scored = [result for result in report.candidates if report.validation(result).is_defined]
    if not scored:
        return f"{text}."
    best = max(scored, key=lambda result: report.validation(result).value)
    value = _with_interval(report.score, report.validation(best), "95% interval ")
    return f"{text}; the best validation {report.score.name} is {value}, cut at {best.cut}."


def _cut(report: RunReport, chosen: PointResult) -> str:
    clauses = [clause for clause in (_size(report, chosen), _speed(report), _quality(report, chosen)) if clause]
    listed = f"{', '.join(clauses[:-1])}, and {clauses[-1]}" if len(clauses) > 1 else clauses[0]
    return f"Cut {report.model.name} at {chosen.cut}: the truncated {noun(report)} {listed}."


def _keep(report: RunReport) -> str:
    smaller = sum(not report.is_whole(result.cut) for result in report.candidates)
    if smaller:
        few = "the one smaller candidate did not match"
        none = few if smaller == 1 else f"none of the {smaller} smaller candidates matched"
        why = f"{none} the whole {report.model.name} on the validation images"
    else:
        why = f"no candidate smaller than the whole {report.model.name} was tried"
    test = report.tested(report.chosen)
    if not test.is_defined:
        return f"Don't cut: {why}."
    score = _with_interval(report.score, test, "95% interval ")
    return f"Don't cut: {why}; the whole {noun(report)} {_ability(report)} with a test {report.score.name} of {score}."


def _size(report: RunReport, chosen: PointResult) -> str:
    whole = report.points[-1]
    shares = (units.share(chosen.params, whole.params), units.share(chosen.macs, whole.macs))
    params, macs = map(units.percent, shares)
    return f"keeps {params} of the parameters and {macs} of the computation (MACs)"


def _quality(report: RunReport, chosen: PointResult) -> str:
    cut, whole = report.tested(chosen), report.tested(report.full)
    if not cut.is_defined:
        return ""
    score = _with_interval(report.score, cut, "95% interval ")
    text = f"{_ability(report)} with a test {report.score.name} of {score}"
    if not whole.is_defined:
        return text
    return f"{text} against the whole {noun(report)}'s {_with_interval(report.score, whole)}"


def _speed(report: RunReport) -> str:
    timing, _ = report.timed_pair()
    ratio = ratio_of(timing) if timing else Estimate()
    if not ratio.is_defined:
        return "has not been timed"
    share, interval = f"{units.percent(ratio.value)} of the whole {noun(report)}'s time", _between(ratio)
    if ratio.holds(1.0):
        return f"shows no measurable speed-up ({share}, {interval})"
    return f"needs {share} per image" + (f" ({interval})" if interval else "")


def _between(ratio: Estimate) -> str:
    """An interval in percent, with as many digits as tell its ends apart."""
    if not ratio.has_interval:
        return ""
    low, high = (units.percent(end) for end in (ratio.ci_low, ratio.ci_high))
    if low == high and ratio.ci_low < ratio.ci_high:
        low, high = (f"{units.significant(100 * end)}%" for end in (ratio.ci_low, ratio.ci_high))
    return f"95% interval {low} to {high}"


def _ability(report: RunReport) -> str:
    names = report.task.class_names
    if report.task.kind == "binary":
        return f"tells {names[1]} from {names[0]}"
    if report.task.kind == "multiclass":
        return f"tells {len(names)} classes apart"
    if report.task.kind.per_pixel:
        drawn = names[1:]  # class 0 is the background
        return f"outlines {drawn[0] if len(drawn) == 1 else f'{len(drawn)} classes'}"
    return "does the task"


def _certainty(report: RunReport) -> str:
    """What the paired comparison on the test split can and can't tell."""
    gap = report.comparison.difference if report.comparison else Estimate()
    if report.keeps_whole or not gap.is_defined:
        return ""
    signed = report.score.signed
    figures = f"difference in test {report.score.name}, truncated less whole, {signed(gap.value)}"
    if not gap.has_interval:
        return f"How sure that is, is not known: {figures}, without an interval."
    figures += f" (95% interval {signed(gap.ci_low)} to {signed(gap.ci_high)})"
    images = f"{units.whole(report.task.split_images['test'])} test images"
    if gap.holds(0.0):
        apart = f"The {images} don't tell the two {noun(report)}s apart: {figures}."
        return f"{apart}{_non_inferiority(report)}"
    which = f"On the {images} the truncated {noun(report)} is"
    if gap.ci_low > 0:
        return f"{which} better than the whole one: {figures}."
    return f"{which} worse than the whole one: {figures}.{_non_inferiority(report)}"


def _non_inferiority(report: RunReport) -> str:
    if report.comparison is None:
        return ""
    name, margin = report.score.name, f"{report.comparison.margin:g}"
    if report.comparison.non_inferior:
        return f" It is shown to be non-inferior: it loses less than {margin} in {name}."
    return f" It is not shown to be non-inferior: a loss of {margin} in {name} can't be ruled out."


def chance_level(report: RunReport) -> float:
    """The share of positive test images: the AUPRC that guessing gets. NaN unless the task is binary."""
    counts, names = report.task.counts["test"], report.task.class_names
    return units.share(counts[names[1]], sum(counts.values())) if report.task.kind == "binary" else math.nan
