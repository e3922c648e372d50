"""A validation in words and lines of figures, as the page and the terminal have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ttl.report.headline import INTERVAL
from ttl.report.schema.validation import Claim, Validation
from ttl.words import units
from ttl.words.counts import counted
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric

VERDICTS = {"cut": "As good", "unsure": "Not shown to be as good", "worse": "Worse", "keep": "The whole network"}
"""By tone, which is the colour of a run's verdict of that name."""
BIAS = "mean predicted less observed; 0 where as many are predicted as there are"


@dataclass(frozen=True)
class Verdict:
    """The top of the page; `tone` is a key of `VERDICTS`."""

    tone: Literal["cut", "unsure", "worse", "keep"]
    sentence: str
    remarks: tuple[str, ...]

    @property
    def word(self) -> str:
        """The same in a few words."""
        return VERDICTS[self.tone]


@dataclass(frozen=True)
class Line:
    """A figure of each file; `cut` is None where there is one file."""

    name: str
    note: str
    metric: Metric
    cut: Estimate | None
    whole: Estimate


@dataclass(frozen=True)
class Lines:
    """Figures that belong together, under a title."""

    title: str
    lines: tuple[Line, ...]


def verdict_of(of: Validation) -> Verdict:
    """What the images show: as good where every claim is shown."""
    images = f"{units.whole(of.images)} images of {of.data_name}"
    score = of.measure(of.metric)
    whole = f"{score.name} {score.text(of.full.metrics[of.metric].value)}"
    if of.chosen is None:
        return Verdict("keep", f"On {images} the whole network has {whole}.", _remarks(of))
    cut = f"{score.name} {score.text(of.chosen.metrics[of.metric].value)}"
    if all(claim.non_inferior for claim in of.claims):
        return Verdict("cut", f"On {images} the cut is as good as the whole network: {cut}, {whole}.", _remarks(of))
    if any(claim.worse for claim in of.claims):
        return Verdict("worse", f"On {images} the cut is worse than the whole network: {cut}, {whole}.", _remarks(of))
    sentence = f"On {images} the cut is not shown to be as good as the whole network: {cut}, {whole}."
    return Verdict("unsure", sentence, _remarks(of))


def summary_of(of: Validation) -> tuple[str, ...]:
    """The sentences at the top of the page, for a terminal."""
    verdict = verdict_of(of)
    return verdict.word, verdict.sentence, *verdict.remarks


def lines_of(of: Validation) -> tuple[Lines, ...]:
    """All figures that have an interval."""
    parts = {
        "Metrics": _lines(of, "metrics"),
        "At the operating point": _lines(of, "rates"),
        "Probabilities": _probability_lines(of),
    }
    made = (Lines(title, tuple(lines)) for title, lines in parts.items())
    return tuple(part for part in made if part.lines)


def prevalence_words(of: Validation) -> str:
    """What PPV and NPV are of; empty where there is none of them."""
    if not of.full.outcomes:
        return ""
    if of.prevalence is not None:
        return f"PPV and NPV: where {units.percent(of.prevalence)} are positive, as asked for."
    shares = "; ".join(f"{name} {units.percent(each.prevalence)}" for name, each in of.full.outcomes.items())
    return f"PPV and NPV: at the prevalence of these {of.per}s ({shares})."


def seen_words(of: Validation) -> str:
    """What the search for images that the run has seen found."""
    if of.leak is None:
        return "It was not checked whether the run has seen some of these images: the figures may be too good."
    if not of.dropped:
        others = " Patients of the same names are others, as was said." if of.other_patients else ""
        return f"{of.leak.words()}{others}"
    return f"{of.leak.words()} {counted(of.dropped, 'image')} left out for that."


def _remarks(of: Validation) -> tuple[str, ...]:
    claims = [_claim_words(of, claim) for claim in of.claims]
    shown = all(claim.non_inferior for claim in of.claims)
    if of.power is not None and of.primary is not None and not shown:
        claims.append(of.power.words(of.measure(of.metric).name, of.primary.margin))
    point = f"Both at a threshold of {of.threshold:g}, which isn't their own." if of.threshold is not None else ""
    return tuple(filter(None, (*claims, point, seen_words(of), "Nothing was fitted on these images.")))


def _claim_words(of: Validation, claim: Claim) -> str:
    named, gap = of.measure(claim.metric), claim.difference
    what = named.name if claim is of.primary else f"{named.name} at the operating point"
    if not gap.is_defined:
        return f"The difference in {what} is undefined on these images."
    interval = f" ({INTERVAL}{named.signed(gap.ci_low)} to {named.signed(gap.ci_high)})" if gap.has_interval else ""
    result = f"a loss of {claim.margin:g} can't be ruled out"
    if claim.non_inferior:
        result = f"it loses less than {claim.margin:g}"
    elif claim.worse:
        result = "it is worse"
    return f"Difference in {what}, cut less whole, {named.signed(gap.value)}{interval}: {result}."


def _lines(of: Validation, what: Literal["metrics", "rates"]) -> Iterator[Line]:
    """Of each metric; the calibration error stands with the probabilities."""
    whole: Mapping[str, Estimate] = getattr(of.full, what)
    cut: Mapping[str, Estimate] = {} if of.chosen is None else getattr(of.chosen, what)
    for key, estimate in whole.items():
        if key != "ece":
            named = of.measure(key)
            yield Line(_titled(named.name), named.note, named, cut.get(key), estimate)


def _probability_lines(of: Validation) -> Iterator[Line]:
    whole, cut = of.full.probabilities, of.chosen.probabilities if of.chosen else None
    if whole is None:
        return
    note = "that of a perfectly calibrated model on so many images, 95% of such sets"
    named = {"calibration_error": "ece", "expected_error": "ece", "log_loss": "log_loss", "brier": "brier"}
    for field, key in named.items():
        measure, expected = of.measure(key), field == "expected_error"
        name = "By chance alone" if expected else _titled(measure.name)
        of_cut: Estimate | None = None if cut is None else getattr(cut, field)
        yield Line(name, note if expected else measure.note, measure, of_cut, getattr(whole, field))
    for name, estimate in whole.bias.items():
        measure = of.measure("bias")
        yield Line(f"{_titled(measure.name)}, {name}", BIAS, measure, cut.bias.get(name) if cut else None, estimate)


def _titled(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}"
