"""The first screen: the verdict in a word, a sentence of 20 words at most, its reasons, and figures in tiles."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.report.page_blocks import Tile
from ttl.report.schema import RunReport
from ttl.report.schema.run_report import ratio_of
from ttl.report.schema.searched import PointResult
from ttl.report.tiles import tiles_of
from ttl.report.verdict import VERDICTS, Verdict, verdict
from ttl.report.wording import noun, patients, undertrained
from ttl.words import units
from ttl.words.counts import counted
from ttl.words.estimate import Estimate


@dataclass(frozen=True)
class Headline:
    """What was chosen, why the verdict is what it is, and what it was tried on; `tone` is a key of `VERDICTS`."""

    tone: str
    sentence: str
    remark: str = ""
    tried: str = ""
    reasons: tuple[str, ...] = ()
    tiles: tuple[Tile, ...] = ()

    @property
    def verdict(self) -> str:
        """The same in a word or two."""
        return VERDICTS[self.tone]


def headline(report: RunReport) -> Headline:
    """The headline of a study, finished or not."""
    if report.chosen is None:
        return Headline("open", _so_far(report), "The same command again runs only what is missing.")
    found, tiles = verdict(report), tiles_of(report)
    tried = _tried_on(report) if report.chosen.test else ""
    if report.is_finished:
        sentence = _sentence(report, report.chosen, found)
        return Headline(found.tone, sentence, _remark(report, found.reasons), tried, found.reasons, tiles)
    name = report.model.name
    what = f"the whole {name}" if report.keeps_whole else f"{name} cut at {report.chosen.cut}"
    sentence = f"Unfinished: {what} is chosen; later steps are missing, so figures may be too."
    return Headline("open", sentence, _remark(report, found.reasons), tried, found.reasons, tiles)


def _so_far(report: RunReport) -> str:
    text = f"Unfinished: {counted(len(report.candidates), 'candidate')} tried so far"
    scored = [result for result in report.candidates if report.validation(result).is_defined]
    if not scored:
        return f"{text}."
    best = max(scored, key=lambda result: report.validation(result).value)
    value = report.score.text(report.validation(best).value)
    return f"{text}; the best validation {report.score.name} is {value}, cut at {best.cut}."


def _sentence(report: RunReport, chosen: PointResult, found: Verdict) -> str:
    name, what = report.model.name, noun(report)
    if found.tone == "keep":
        return f"Don't cut {name}: {_none_smaller(report)}."
    if found.tone == "worse":
        return f"Don't cut {name} at {chosen.cut}: it is shown to be worse than the whole {what}."
    if found.tone == "cut":
        params = units.percent(units.share(chosen.params, report.points[-1].params))
        return (
            f"Cut {name} at {chosen.cut}: as good as the whole {what}, with {params} of its parameters{_time(report)}."
        )
    if report.full and report.full.undertrained and report.full.undertrained.blocks:
        return f"The whole {name} is under-trained: nothing is shown of the cut at {chosen.cut}."
    return f"{name} cut at {chosen.cut} is not shown to be as good as the whole {what}."


def _none_smaller(report: RunReport) -> str:
    smaller = sum(not report.is_whole(result.cut) for result in report.candidates)
    if not smaller:
        return f"no candidate smaller than the whole {noun(report)} was tried"
    if any(one.undertrained and one.undertrained.blocks and not report.is_whole(one.cut) for one in report.candidates):
        return "a smaller candidate is under-trained, and no other one matched the whole network on validation"
    few = "the one smaller candidate did not match"
    none = few if smaller == 1 else f"none of the {smaller} smaller candidates matched"
    return f"{none} the whole {noun(report)} on the validation images"


def _time(report: RunReport) -> str:
    """The share of the time, where it is measurably another."""
    timing, _ = report.timed_pair()
    ratio = ratio_of(timing) if timing else Estimate()
    if not ratio.is_defined or ratio.holds(1.0):
        return ""
    return f" {'and' if ratio.value < 1 else 'but'} {units.percent(ratio.value)} of its time"


def _remark(report: RunReport, reasons: tuple[str, ...]) -> str:
    """That a network is under-trained, where it isn't a reason already."""
    return " ".join(sentence for sentence in undertrained(report).values() if sentence not in reasons)


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
