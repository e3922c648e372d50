"""What recalibration did to the probabilities of each network, and how far off they are still."""

from __future__ import annotations

from ttl.report.cells import Cell, amount, estimate_cell, interval_ends
from ttl.report.page_blocks import Block, Prose, Row, Table, row
from ttl.report.schema import RunReport
from ttl.report.schema.decided import Believable
from ttl.report.wording import Side, sides, tested_units
from ttl.words.estimate import Estimate
from ttl.words.metric import METRICS, Metric
from ttl.words.text import capitalised

UNCHANGED = Cell("unchanged")
REFERENCE = "the same probabilities on as many"
OF_PIXELS = "Figures are means over the labelled pixels of an image, then over images. "
REFERENCE_OF_PIXELS = "as much variation from image to image, on as many"


def recalibrated(report: RunReport) -> list[Block]:
    """The recalibration of each network in words, and one table; nothing of a report without it."""
    of = report.probabilities
    networks = sides(report, full=of.full, chosen=of.chosen)[::-1] if of else []  # the chosen one first, as on the card
    if not networks:
        return []
    titles = [capitalised(side.words) for side in networks]
    blocks: list[Block] = [
        Prose(f"{title}: {side.of.recalibration.words()}") for title, side in zip(titles, networks, strict=True)
    ]
    rows = [*_loss_rows("log_loss", networks), *_loss_rows("brier", networks), *_error_rows(networks)]
    rows += _bias_rows(networks)
    of_pixels = report.task.kind.per_pixel
    caption = (
        f"On the {tested_units(report)}. {OF_PIXELS if of_pixels else ''}Smaller figures are 95% intervals; the "
        "changes are paired, below 0 is better. A calibration error is above 0 by chance alone: its reference is that "
        f"of a perfectly calibrated network with {REFERENCE_OF_PIXELS if of_pixels else REFERENCE}. Calibration in the "
        "large is the mean probability less the share that is there: above 0 a network says a class too often."
    )
    return [*blocks, Table(caption, ("", *titles), tuple(rows))]


def _is_changed(of: Believable) -> bool:
    """Whether the logits were recalibrated, or shifted for the class shares in training."""
    return of.recalibration.method != "none" or any(of.recalibration.prior_shift)


def _loss_rows(key: str, networks: list[Side[Believable]]) -> list[Row]:
    """Before, after and change; after alone where no network was changed."""
    metric = METRICS[key]
    name = capitalised(metric.name)
    after = row(Cell(name, metric.note), *(estimate_cell(getattr(side.of, key), metric) for side in networks))
    if not any(_is_changed(side.of) for side in networks):
        return [after]
    before, change = [], []
    for side in networks:
        is_changed = _is_changed(side.of)
        before.append(estimate_cell(getattr(side.of, f"{key}_before"), metric) if is_changed else UNCHANGED)
        change.append(_signed(getattr(side.of, f"{key}_change"), metric) if is_changed else UNCHANGED)
    return [row(f"{name} before recalibration", *before), after, row(f"{name}, change", *change)]


def _signed(of: Estimate, metric: Metric) -> Cell:
    """A difference with its interval."""
    ends = f"{metric.signed(of.ci_low)} to {metric.signed(of.ci_high)}" if of.has_interval else ""
    return Cell(metric.signed(of.value), ends, of.value, parts=interval_ends(of))


def _error_rows(networks: list[Side[Believable]]) -> list[Row]:
    """The calibration error, and the one that a perfectly calibrated network has."""
    metric = METRICS["ece"]
    errors = (amount(side.of.error, metric.text, note=_against(side.of)) for side in networks)
    expected = (estimate_cell(side.of.expected_error, metric) for side in networks)
    return [
        row(Cell("Calibration error", metric.note), *errors),
        row(Cell("Its reference", "where perfectly calibrated"), *expected),
    ]


def _against(of: Believable) -> str:
    """Where the calibration error lies to its reference range."""
    reference = of.expected_error
    if not reference.has_interval:
        return ""
    if of.error > reference.ci_high:
        return "above its reference"
    return "within its reference" if of.error >= reference.ci_low else "below its reference"


def _bias_rows(networks: list[Side[Believable]]) -> list[Row]:
    """Calibration in the large of each class."""
    classes = dict.fromkeys(name for side in networks for name in side.of.bias)
    metric = METRICS["bias"]
    return [
        row(
            Cell(f"Calibration in the large, {name}", "0 is perfect"),
            *(_signed(side.of.bias.get(name, Estimate()), metric) for side in networks),
        )
        for name in classes
    ]
