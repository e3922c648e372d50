"""The top of the page: one sentence that a clinician understands, and one on how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.report.schema import RunReport
from ttl.report.schema.run_report import ratio_of
from ttl.report.schema.searched import PointResult
from ttl.report.wording import noun, patients, with_interval
from ttl.words import units
from ttl.words.counts import counted
from ttl.words.estimate import Estimate

INTERVAL = "95% interval "
VERDICTS = {
    "cut": "As good",
    "unsure": "Not shown to be as good",
    "worse": "Worse: don't cut",
    "keep": "Don't cut",
    "open": "No verdict yet",
}
"""Of the chosen cut against the whole network, on the test images; each has its colour."""


@dataclass(frozen=True)
class Headline:
    """What was chosen, how sure that is, and what it was tried on; `tone` is a key of `VERDICTS`."""

    tone: str
    sentence: str
    remark: str = ""
    tried: str = ""

    @property
    def verdict(self) -> str:
        """The same in a word or two."""
        return VERDICTS[self.tone]


def headline(report: RunReport) -> Headline:
    """The headline of a study, finished or not."""
    if report.chosen is None:
        return Headline("open", _so_far(report), "The same command again runs only what is missing.")
    tone, sentence = ("keep", _keep(report)) if report.keeps_whole else (_tone(report), _cut(report, report.chosen))
    tried = _tried_on(report) if report.chosen.test else ""
    if report.is_finished:
        return Headline(tone, sentence, _certainty(report), tried)
    missing = "Unfinished: later steps are missing, so figures may be too."
    return Headline("open", sentence, f"{missing} {_certainty(report)}".strip(), tried)


def _tone(report: RunReport) -> str:
    """What the test images show of a cut."""
    compared = report.comparison
    if compared is None:
        return "open"
    if compared.non_inferior:
        return "cut"
    return "worse" if compared.difference.ci_high < 0 else "unsure"


def _so_far(report: RunReport) -> str:
    text = f"Unfinished: {counted(len(report.candidates), 'candidate')} tried so far, and no verdict yet"
    scored = [result for result in report.candidates if report.validation(result).is_defined]
    if not scored:
        return f"{text}."
    best = max(scored, key=lambda result: report.validation(result).value)
    value = with_interval(report.score, report.validation(best), INTERVAL)
    return f"{text}; the best validation {report.score.name} is {value}, cut at {best.cut}."


def _cut(report: RunReport, chosen: PointResult) -> str:
    whole = report.points[-1]
    shares = (units.share(chosen.params, whole.params), units.share(chosen.macs, whole.macs))
    params, macs = map(units.percent, shares)
    clauses = [f"keeps {params} of the parameters and {macs} of the computation (MACs)", _speed(report)]
    if report.tested(chosen).is_defined:
        clauses.append(_quality(report, chosen))
        if (of_whole := report.tested(report.full)).is_defined:
            clauses[-1] += f" against the whole {noun(report)}'s {with_interval(report.score, of_whole)}"
    listed = f"{', '.join(clauses[:-1])}, and {clauses[-1]}"
    return f"Cut {report.model.name} at {chosen.cut}: the truncated {noun(report)} {listed}."


def _keep(report: RunReport) -> str:
    smaller = sum(not report.is_whole(result.cut) for result in report.candidates)
    if smaller:
        few = "the one smaller candidate did not match"
        none = few if smaller == 1 else f"none of the {smaller} smaller candidates matched"
        why = f"{none} the whole {report.model.name} on the validation images"
    else:
        why = f"no candidate smaller than the whole {report.model.name} was tried"
    if not report.tested(report.chosen).is_defined:
        return f"Don't cut: {why}."
    return f"Don't cut: {why}; the whole {noun(report)} {_quality(report, report.chosen)}."


def _quality(report: RunReport, result: PointResult | None) -> str:
    names, ability = report.task.class_names, "does the task"
    if report.task.kind == "binary":
        ability = f"tells {names[1]} from {names[0]}"
    elif report.task.kind == "multiclass":
        ability = f"tells {len(names)} classes apart"
    elif report.task.kind.per_pixel:
        drawn = names[1:]  # class 0 is the background
        ability = f"outlines {drawn[0] if len(drawn) == 1 else f'{len(drawn)} classes'}"
    score = with_interval(report.score, report.tested(result), INTERVAL)
    return f"{ability} with a test {report.score.name} of {score}"


def _speed(report: RunReport) -> str:
    timing, _ = report.timed_pair()
    ratio = ratio_of(timing) if timing else Estimate()
    if not ratio.is_defined:
        return "has not been timed"
    share, interval = f"{units.percent(ratio.value)} of the whole {noun(report)}'s time", ""
    if ratio.has_interval:
        low, high = (units.percent(end) for end in (ratio.ci_low, ratio.ci_high))
        if low == high and ratio.ci_low < ratio.ci_high:  # as many digits as tell its ends apart
            low, high = (f"{units.significant(100 * end)}%" for end in (ratio.ci_low, ratio.ci_high))
        interval = f"{INTERVAL}{low} to {high}"
    if ratio.holds(1.0):
        return f"shows no measurable speed-up ({share}, {interval})"
    return f"needs {share} per image" + (f" ({interval})" if interval else "")


def _certainty(report: RunReport) -> str:
    """What the paired comparison on the test split can and can't tell."""
    gap = report.comparison.difference if report.comparison else Estimate()
    if report.comparison is None or report.keeps_whole or not gap.is_defined:
        return ""
    signed, name, margin = report.score.signed, report.score.name, f"{report.comparison.margin:g}"
    figures = f"difference in test {name}, truncated less whole, {signed(gap.value)}"
    if not gap.has_interval:
        return f"How sure that is, is not known: {figures}, without an interval."
    figures += f" ({INTERVAL}{signed(gap.ci_low)} to {signed(gap.ci_high)})"
    images = f"{units.whole(report.task.split_images['test'])} test images"
    if gap.ci_low > 0:
        return f"On the {images} the truncated {noun(report)} is better than the whole one: {figures}."
    non_inferior = f"It is not shown to be non-inferior: a loss of {margin} in {name} can't be ruled out."
    if report.comparison.power is not None:
        non_inferior += f" {report.comparison.power.words(name, report.comparison.margin)}"
    if report.comparison.non_inferior:
        non_inferior = f"It is shown to be non-inferior: it loses less than {margin} in {name}."
    if gap.holds(0.0):
        return f"The {images} don't tell the two {noun(report)}s apart: {figures}. {non_inferior}"
    return f"On the {images} the truncated {noun(report)} is worse than the whole one: {figures}. {non_inferior}"


def _tried_on(report: RunReport) -> str:
    images, of_split = units.whole(report.task.split_images["test"]), patients(report)
    unused = "which took no part in training or in the choice"
    if "test" in of_split:
        apart = "; no patient is in two splits" if report.task.groups_shared == 0 else ""
        return f"Tried on {images} test images of {units.whole(of_split['test'])} patients, {unused}{apart}."
    return (
        f"Tried on {images} test images, {unused}. It is not known which patient each is of: others of the same one "
        "may be among the training images."
    )
