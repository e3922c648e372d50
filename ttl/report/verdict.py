"""The verdict: one sentence that a clinician understands, and one on how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ttl.report.reading import Candidate, Report, items, mapping
from ttl.report.split import tried_on
from ttl.words import units
from ttl.words.estimate import Estimate, number
from ttl.words.metric import Metric


@dataclass(frozen=True)
class Verdict:
    """What the top of the page says: what was chosen, how sure that is, and what it was tried on.

    `tone` is `cut`, `keep` or `open` (no verdict yet).
    """

    tone: str
    sentence: str
    remark: str = ""
    tried: str = ""


def verdict(report: Report) -> Verdict:
    """The verdict on a study, finished or not."""
    if report.chosen is None:
        return Verdict("open", _so_far(report), "The same command again runs only what is missing.")
    tone, sentence = ("keep", _keep(report)) if report.keeps_whole else ("cut", _cut(report, report.chosen))
    tried = tried_on(report) if report.chosen.test else ""
    if report.finished:
        return Verdict(tone, sentence, _certainty(report), tried)
    missing = "Unfinished: later steps are missing, so figures may be too."
    return Verdict("open", sentence, f"{missing} {_certainty(report)}".strip(), tried)


def with_interval(metric: Metric, estimate: Estimate, *, spelled: bool = False) -> str:
    """`0.963 (0.941 to 0.981)`; `spelled` says that it is a 95% interval."""
    if not estimate.has_interval:
        return metric.text(estimate.value)
    words = "95% interval " if spelled else ""
    return f"{metric.text(estimate.value)} ({words}{metric.interval(estimate)})"


def _so_far(report: Report) -> str:
    n_tried = len(report.candidates)
    text = f"Unfinished: {_count(n_tried, 'candidate')} tried so far, and no verdict yet"
    scored = [c for c in report.candidates if c.val.get(report.metric, Estimate()).known]
    if not scored:
        return f"{text}."
    best = max(scored, key=lambda c: c.val[report.metric].value)
    value = with_interval(report.score, best.val[report.metric], spelled=True)
    return f"{text}; the best validation {report.metric_name} is {value}, cut at {best.cut}."


def _cut(report: Report, chosen: Candidate) -> str:
    clauses = [_size_clause(report, chosen), _speed_clause(report), _metric_clause(report, chosen)]
    return f"Cut {report.model} at {chosen.cut}: the truncated {report.noun} {_listed([c for c in clauses if c])}."


def _keep(report: Report) -> str:
    smaller = [c for c in report.candidates if not report.is_full(c)]
    if smaller:
        few = "the one smaller candidate did not match"
        none = few if len(smaller) == 1 else f"none of the {len(smaller)} smaller candidates matched"
        why = f"{none} the whole {report.model} on the validation images"
    else:
        why = f"no candidate smaller than the whole {report.model} was tried"
    test = report.chosen.test.get(report.metric, Estimate()) if report.chosen else Estimate()
    if not test.known:
        return f"Don't cut: {why}."
    score = with_interval(report.score, test, spelled=True)
    return f"Don't cut: {why}; the whole {report.noun} {_ability(report)} with a test {report.metric_name} of {score}."


def _size_clause(report: Report, chosen: Candidate) -> str:
    if report.full is None:
        return ""
    params = units.share(chosen.params, report.full.params)
    macs = units.share(chosen.macs, report.full.macs)
    shares = ((params, "parameters"), (macs, "computation (MACs)"))
    known = [f"{units.percent(share)} of the {name}" for share, name in shares if math.isfinite(share)]
    return f"keeps {' and '.join(known)}" if known else ""


def _metric_clause(report: Report, chosen: Candidate) -> str:
    cut = chosen.test.get(report.metric, Estimate())
    if not cut.known:
        return ""
    text = f"{_ability(report)} with a test {report.metric_name} of {with_interval(report.score, cut, spelled=True)}"
    whole = report.full.test.get(report.metric, Estimate()) if report.full else Estimate()
    if not whole.known:
        return text
    return f"{text} against the whole {report.noun}'s {with_interval(report.score, whole)}"


def _speed_clause(report: Report) -> str:
    timing, _ = report.setting()
    if timing is None or not timing.ratio.known:
        return "has not been timed"
    share, interval = units.percent(timing.ratio.value), ""
    if timing.ratio.has_interval:
        interval = _between(timing.ratio)
    if timing.no_speed_up:
        return f"shows no measurable speed-up ({share} of the whole {report.noun}'s time, 95% interval {interval})"
    brackets = f" (95% interval {interval})" if interval else ""
    return f"needs {share} of the whole {report.noun}'s time per image{brackets}"


def _between(ratio: Estimate) -> str:
    """An interval in percent, with as many digits as tell its ends apart."""
    ends: list[str] = [units.percent(end) for end in (ratio.low, ratio.high)]
    if ends[0] == ends[1] and ratio.low < ratio.high:
        ends = [f"{units.significant(100 * end)}%" for end in (ratio.low, ratio.high)]
    return " to ".join(ends)


def _ability(report: Report) -> str:
    if report.kind == "binary" and len(report.class_names) == 2:
        return f"tells {report.class_names[1]} from {report.class_names[0]}"
    if report.kind == "multiclass" and report.class_names:
        return f"tells {len(report.class_names)} classes apart"
    if report.is_segmentation and report.drawn_classes:
        names = report.drawn_classes
        return f"outlines {names[0] if len(names) == 1 else f'{len(names)} classes'}"
    return "does the task"


def _certainty(report: Report) -> str:
    """What the paired comparison on the test split can and can't tell."""
    gap = report.difference
    if report.keeps_whole or not gap.known:
        return ""
    figures = f"difference in test {report.metric_name}, truncated less whole, {report.score.signed(gap.value)}"
    if not gap.has_interval:
        return f"How sure that is, is not known: {figures}, without an interval."
    figures += f" (95% interval {report.score.signed(gap.low)} to {report.score.signed(gap.high)})"
    if gap.low <= 0 <= gap.high:
        told = f"The {_test_images(report)} don't tell the two {report.noun}s apart: {figures}."
        return f"{told}{_non_inferiority(report)}"
    told = f"On the {_test_images(report)} the truncated {report.noun} is"
    if gap.low > 0:
        return f"{told} better than the whole one: {figures}."
    return f"{told} worse than the whole one: {figures}.{_non_inferiority(report)}"


def _non_inferiority(report: Report) -> str:
    if not math.isfinite(report.margin):
        return ""
    margin = f"{report.margin:g}"
    if report.non_inferior:
        return f" It is shown to be non-inferior: it loses less than {margin} in {report.metric_name}."
    return f" It is not shown to be non-inferior: a loss of {margin} in {report.metric_name} can't be ruled out."


def _test_images(report: Report) -> str:
    total = report.images("test")
    return f"{units.whole(total)} test images" if total > 0 else "test images"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _listed(clauses: list[str]) -> str:
    if len(clauses) < 2:
        return "".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def chance_level(report: Report) -> float:
    """The share of positive test images: the AUPRC that guessing gets. `nan` unless the task is binary."""
    names = items(mapping(report.raw, "task"), "class_names")
    test = mapping(mapping(mapping(report.raw, "task"), "counts"), "test")
    total = sum(number(n) for n in test.values())
    if report.kind != "binary" or len(names) != 2 or not total > 0:
        return math.nan
    return number(test.get(names[1])) / total
