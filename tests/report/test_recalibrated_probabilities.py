from __future__ import annotations

from dataclasses import replace

from ttl.report import RunReport
from ttl.report.page_blocks import Prose, Table
from ttl.report.schema.decided import Probabilities
from ttl.report.sections.recalibrated_probabilities import recalibrated
from ttl.report.sections.reliability import confidence
from ttl.words.estimate import Estimate

from . import example, segmented
from .example import changed
from .example_decided import believable
from .pages import text

MINUS = "\u2212"


def table(study: RunReport) -> dict[str, list[tuple[str, str]]]:
    found = recalibrated(study)[-1]
    assert isinstance(found, Table)
    return {row.cells[0].text: [(cell.text, cell.note) for cell in row.cells[1:]] for row in found.rows}


def test_what_was_done_is_in_words_for_each_network() -> None:
    chosen, whole = (block.text for block in recalibrated(example.finished()) if isinstance(block, Prose))
    assert chosen == (
        "Truncated network: The logits were divided by a temperature of 0.71, which on 937 validation images brought "
        "the cross-validated log loss from 0.2511 to 0.2331 (standard error of the difference 0.0042)."
    )
    assert whole.startswith("Whole network: The logits were left as they are: on 937 validation images")


def test_losses_stand_before_and_after_with_their_paired_change() -> None:
    rows = table(example.finished())
    assert rows["Log loss before recalibration"] == [("0.261", "0.231 to 0.291"), ("unchanged", "")]
    assert rows["Log loss"] == [("0.243", "0.213 to 0.273")] * 2
    assert rows["Log loss, change"] == [(f"{MINUS}0.018", f"{MINUS}0.024 to {MINUS}0.012"), ("unchanged", "")]
    assert rows["Brier score, change"][0] == (f"{MINUS}0.006", f"{MINUS}0.008 to {MINUS}0.004")


def test_where_nothing_was_changed_there_is_one_row_a_loss() -> None:
    study = replace(example.finished(), probabilities=Probabilities(split="test", full=believable(1.0, 0.001)))
    assert list(table(study)) == [
        "Log loss", "Brier score", "Calibration error", "Its reference", "Calibration in the large, pneumonia",
    ]  # fmt: skip


def test_a_shift_of_the_prior_alone_is_a_change() -> None:
    study = changed(example.finished(), "probabilities.full.recalibration.prior_shift", (0.5, -0.5))
    assert table(study)["Log loss before recalibration"][1] == ("0.244", "0.214 to 0.274")


def test_the_calibration_error_has_its_reference_beside_it() -> None:
    rows = table(example.finished())
    assert rows["Calibration error"] == [("0.031", "within its reference")] * 2
    assert rows["Its reference"] == [("0.024", "0.014 to 0.036")] * 2
    above = changed(example.finished(), "probabilities.chosen.error", 0.05)
    below = changed(example.finished(), "probabilities.chosen.error", 0.01)
    assert table(above)["Calibration error"][0] == ("0.050", "above its reference")
    assert table(below)["Calibration error"][0] == ("0.010", "below its reference")


def test_calibration_in_the_large_is_of_each_class_with_its_sign() -> None:
    rows = table(example.finished())
    assert rows["Calibration in the large, pneumonia"] == [("+0.012", f"{MINUS}0.003 to +0.027")] * 2


def test_the_calibration_error_of_the_card_is_no_bare_number() -> None:
    study = changed(example.finished(), "chosen.test.ece", Estimate(0.0312, 0.021, 0.0499))
    assert "lower is better; where perfectly calibrated 0.014 to 0.036" in text(study)


def test_of_masks_the_figures_are_of_pixels_and_the_section_has_no_plots() -> None:
    study = segmented.finished()
    assert table(study)["Log loss, change"][0] == (f"{MINUS}0.018", f"{MINUS}0.024 to {MINUS}0.012")
    assert [name for name in table(study) if name.startswith("Calibration in the large")] == [
        f"Calibration in the large, {name}" for name in segmented.CLASSES
    ]
    section = confidence(study)
    assert section
    assert [type(block) for block in section.blocks] == [Prose, Prose, Table]
    page = text(study)
    assert "means over the labelled pixels of an image, then over images" in page
    assert "with as much variation from image to image, on as many" in page
    assert "over the labelled pixels" not in text(example.finished())


def test_the_section_holds_what_there_is_of_it() -> None:
    study = example.finished()
    assert recalibrated(replace(study, probabilities=None)) == []
    alone = confidence(replace(study, calibration=None))
    assert alone
    assert [type(block) for block in alone.blocks] == [Prose, Prose, Table]
    assert confidence(replace(study, calibration=None, probabilities=None)) is None
