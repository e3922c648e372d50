"""What the networks of the made-up study decide, how far they can be believed, and the looks at its test images."""

from __future__ import annotations

from ttl.report.schema import decided
from ttl.stats import DecisionRule, Power, Recalibration
from ttl.stats.operating import Threshold
from ttl.study.ledger import Look
from ttl.study.undertrained import Undertrained
from ttl.words.estimate import Estimate


def estimate(value: float, half_width: float) -> Estimate:
    return Estimate(value, round(value - half_width, 4), round(min(1.0, value + half_width), 4))


def at_point(threshold: float, counts: tuple[int, int, int, int]) -> decided.AtPoint:
    """What a threshold of one finding decides: found, missed, false alarms, rightly left alone."""
    found, missed, alarms, spared = counts
    rates = {
        "sensitivity": found / (found + missed),
        "specificity": spared / (spared + alarms),
        "ppv": found / (found + alarms),
        "npv": spared / (spared + missed),
    }
    rates["balanced_accuracy"] = (rates["sensitivity"] + rates["specificity"]) / 2
    set_on = (Threshold(threshold, 0.902, 0.949, 684, 253),)
    rule = DecisionRule(finding=("pneumonia",), thresholds=(threshold,), set_on=set_on)
    return decided.AtPoint(
        rule=rule,
        words=rule.words(("normal", "pneumonia")),
        rates={name: estimate(round(rate, 4), 0.024) for name, rate in rates.items()},
        counts=counts,
    )


def decisions() -> decided.Decisions:
    """Both networks by the best balanced accuracy on validation."""
    return decided.Decisions(
        split="test",
        units=1170,
        prevalence=0.7299,
        endpoint=decided.Endpoint(
            metric="balanced_accuracy", margin=0.05, non_inferior=True, difference=Estimate(0.004, -0.011, 0.0192)
        ),
        full=at_point(0.41, (746, 108, 16, 300)),
        chosen=at_point(0.62, (743, 111, 13, 303)),
    )


def believable(temperature: float, gain: float) -> decided.Believable:
    """Probabilities divided by a temperature; of 1 they were left as they are."""
    recalibration = Recalibration(
        method="none" if temperature == 1 else "temperature",
        scale=(1 / temperature,) * 2,
        shift=(0.0, 0.0),
        prior_shift=(0.0, 0.0),
        units=937,
        log_loss_before=0.2511,
        log_loss_after=0.2511 - gain,
        gain_error=0.0042,
        constant_log_loss=0.583,
    )
    return decided.Believable(
        recalibration=recalibration,
        log_loss=estimate(0.243, 0.03),
        log_loss_before=estimate(0.243 + gain, 0.03),
        log_loss_change=estimate(-gain, 0.006),
        brier=estimate(0.071, 0.011),
        brier_before=estimate(0.071 + gain / 3, 0.011),
        brier_change=estimate(-gain / 3, 0.002),
        error=0.031,
        expected_error=Estimate(0.024, 0.014, 0.0362),
        bias={"pneumonia": estimate(0.012, 0.015)},
    )


def power() -> Power:
    """What 1170 test images can show."""
    assumed = "both with an AUROC of 0.95 and errors correlated at 0.8, each at its own threshold"
    return Power(1170.0, 0.64, 1700, assumed, "balanced_accuracy", 0.05)


def undertrained(*, blocks: bool) -> Undertrained:
    """A fine-tune that needs more epochs; `blocks`: that must not be delivered as a cut."""
    return Undertrained(log_loss=0.581 if blocks else 0.243, constant=0.583, spread=3.1, falling=True)


def looks() -> tuple[Look, ...]:
    """Two networks and their files, each once."""
    at = "2026-05-04T10:31:0{}+00:00"
    tested = [("3fa9c1d7", None), ("3fa9c1d9", None), ("3fa9c1d7", "model.onnx"), ("3fa9c1d9", "full.onnx")]
    return tuple(
        Look(occasion="run", trial=trial, images=1170, file=file, rule="" if file else "A rule.", at=at.format(n))
        for n, (trial, file) in enumerate(tested)
    )
