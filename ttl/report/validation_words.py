"""A validation in words and lines of figures, as the page and the terminal have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ttl.report.schema.validation import Claim, ValidatedFile, Validation
from ttl.report.verdict import VERDICTS
from ttl.words import units
from ttl.words.counts import counted
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric
from ttl.words.text import capitalised

BIAS = "mean predicted less observed; 0 where as many are predicted as there are"
METRICS, POINT, PROBABILITIES = "Metrics", "At the operating point", "Probabilities"
CHANCE = 0.5
"""The AUROC of guessing."""


@dataclass(frozen=True)
class Verdict:
    """The top of the page; `tone` is the colour, named as that of a run's verdict."""

    tone: Literal["cut", "unsure", "worse", "keep"]
    word: str
    sentence: str
    remarks: tuple[str, ...]


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
    """What the images show: as good where every claim is shown, and nothing where the whole network guesses."""
    images, whole = f"On {units.whole(of.images)} images of {of.data_name}", _score(of, of.full)
    remarks = _remarks(of)
    if guesses(of.full):
        sentence = f"{images} even the whole network isn't shown to be better than chance."
        return Verdict("worse", "Not shown to be better than chance", sentence, remarks)
    if not of.full.metrics[of.metric].is_defined:
        score, there = of.measure(of.metric).name, [name for name, count in of.counts.items() if count]
        why = f", for all are {there[0]}" if of.kind.one_class_each and len(there) == 1 else ""
        compared = "" if of.chosen is None else " the cut can't be compared with the whole network:"
        sentence = f"{images}{compared} {score} is undefined{why}."
        return Verdict("unsure", VERDICTS["unsure"], sentence, remarks)
    if of.chosen is None:
        return Verdict("keep", "The whole network", f"{images} the whole network has {whole}.", remarks)
    figures = f"{_score(of, of.chosen)} against {of.measure(of.metric).text(of.full.metrics[of.metric].value)}"
    if all(claim.non_inferior for claim in of.claims):
        return Verdict("cut", VERDICTS["cut"], f"{images} the cut is as good as the whole network: {figures}.", remarks)
    if any(claim.worse and not claim.non_inferior for claim in of.claims):
        return Verdict(
            "worse", VERDICTS["worse"], f"{images} the cut is worse than the whole network: {figures}.", remarks
        )
    sentence = f"{images} the cut is not shown to be as good as the whole network: {figures}."
    return Verdict("unsure", VERDICTS["unsure"], sentence, remarks)


def guesses(file: ValidatedFile) -> bool:
    """Whether a file isn't shown to be better than chance, where that can be told."""
    auroc = file.metrics.get("auroc", Estimate())
    return auroc.has_interval and auroc.ci_low <= CHANCE


def _score(of: Validation, file: ValidatedFile) -> str:
    score = of.measure(of.metric)
    return f"{score.name} {score.text(file.metrics[of.metric].value)}"


def summary_of(of: Validation) -> tuple[str, ...]:
    """The sentences at the top of the page, for a terminal."""
    verdict = verdict_of(of)
    return verdict.word, verdict.sentence, *verdict.remarks


def lines_of(of: Validation) -> tuple[Lines, ...]:
    """All figures that have an interval."""
    parts = {
        METRICS: _lines(of, "metrics"),
        POINT: _lines(of, "rates"),
        PROBABILITIES: _probability_lines(of),
    }
    made = (Lines(title, tuple(lines)) for title, lines in parts.items())
    return tuple(part for part in made if part.lines)


def prevalence_words(of: Validation) -> str:
    """What PPV and NPV are of; empty where there is none of them."""
    defined = (file.rates.get(name, Estimate()).is_defined for file in of.files.values() for name in ("ppv", "npv"))
    if not any(defined):
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


def shares_words(of: Validation) -> str:
    """How often each class is here, and was in training: of two classes the positive one."""
    shown = of.class_names[1:] if of.kind.has_positive else of.class_names
    shares = (
        f"{name} {units.percent(units.share(of.counts[name], of.images))} of the images here, "
        f"{units.percent(units.share(of.train_counts[name], of.train_images))} of those trained on"
        for name in shown
    )
    return f"Prevalence: {'; '.join(shares)}."


def _remarks(of: Validation) -> tuple[str, ...]:
    claims = [_claim_words(of, claim) for claim in of.claims]
    shown = all(claim.non_inferior for claim in of.claims)
    if of.power is not None and of.primary is not None and not shown:
        claims.append(of.power.words(of.measure(of.metric).name, of.primary.margin))
    if of.chosen is not None and guesses(of.chosen) and not guesses(of.full):
        claims.insert(0, "The cut isn't shown to be better than chance.")
    point = f"Both at a threshold of {of.threshold:g}, which isn't their own." if of.threshold is not None else ""
    rest = (_then(of), point, seen_words(of), "Nothing was fitted on these images.")
    return tuple(filter(None, (*claims, *rest)))


def _then(of: Validation) -> str:
    """What the run's own test images gave."""
    figures = []
    for key in dict.fromkeys((of.metric, "auroc")):
        here = [file.tested[key] for file in of.files.values() if key in file.tested]
        if here:
            measure = of.measure(key)
            figures.append(f"{measure.name} {' against '.join(measure.text(each.value) for each in here)}")
    return f"On the run's own test images: {', '.join(figures)}." if figures else ""


def _claim_words(of: Validation, claim: Claim) -> str:
    named, gap = of.measure(claim.metric), claim.difference
    what = named.name if claim is of.primary else f"{named.name} at the operating point"
    if not gap.is_defined:
        return f"The difference in {what} is undefined on these images."
    interval = f" (95% interval {named.signed(gap.ci_low)} to {named.signed(gap.ci_high)})" if gap.has_interval else ""
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
            yield Line(capitalised(named.name), named.note, named, cut.get(key), estimate)


def _probability_lines(of: Validation) -> Iterator[Line]:
    whole, cut = of.full.probabilities, of.chosen.probabilities if of.chosen else None
    if whole is None:
        return
    alike = " that varies as much from image to image," if of.kind.per_pixel else ""
    note = f"that of a perfectly calibrated model{alike} on so many images, 95% of such sets"
    named = {"calibration_error": "ece", "expected_error": "ece", "log_loss": "log_loss", "brier": "brier"}
    for field, key in named.items():
        measure, expected = of.measure(key), field == "expected_error"
        name = "By chance alone" if expected else capitalised(measure.name)
        of_cut: Estimate | None = None if cut is None else getattr(cut, field)
        yield Line(name, note if expected else measure.note, measure, of_cut, getattr(whole, field))
    for name, estimate in whole.bias.items():
        measure = of.measure("bias")
        yield Line(f"{capitalised(measure.name)}, {name}", BIAS, measure, cut.bias.get(name) if cut else None, estimate)
