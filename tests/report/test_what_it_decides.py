from __future__ import annotations

from dataclasses import replace

from ttl.data.kind import KINDS
from ttl.report import RunReport
from ttl.report.page_blocks import Prose, Table
from ttl.report.schema.decided import AtPoint, Decisions
from ttl.report.sections.chosen_against_whole import chosen_against_whole
from ttl.report.sections.what_it_decides import what_it_decides
from ttl.stats import DecisionRule
from ttl.words.estimate import Estimate

from . import example, segmented
from .example import changed
from .pages import text


def tables(study: RunReport) -> list[list[list[str]]]:
    section = what_it_decides(study)
    assert section
    found = [block for block in section.blocks if isinstance(block, Table)]
    return [[[cell.text for cell in row.cells] for row in table.rows] for table in found]


def prose(study: RunReport) -> list[str]:
    section = what_it_decides(study)
    assert section
    return [block.text for block in section.blocks if isinstance(block, Prose)]


def caption(study: RunReport) -> str:
    section = what_it_decides(study)
    assert section
    return next(block.caption for block in section.blocks if isinstance(block, Table))


def test_the_counts_and_rates_of_both_networks_stand_side_by_side() -> None:
    (table,) = tables(example.finished())
    assert table == [
        ["Threshold", "0.620", "0.410"],
        ["Found", "743", "746"],
        ["Missed", "111", "108"],
        ["False alarms", "13", "16"],
        ["Rightly left alone", "303", "300"],
        ["Sensitivity", "87%", "87%"],
        ["Specificity", "96%", "95%"],
        ["PPV", "98%", "98%"],
        ["NPV", "73%", "74%"],
        ["Balanced accuracy", "91%", "91%"],
    ]


def test_the_rules_are_in_words_and_the_endpoint_has_its_interval() -> None:
    chosen, whole, endpoint = prose(example.finished())
    assert chosen.startswith("Truncated network: Each image with a probability of pneumonia from 0.62 on is positive")
    assert whole.startswith("Whole network: Each image with a probability of pneumonia from 0.41 on")
    assert endpoint == (
        "The decision endpoint, truncated less whole. Balanced accuracy: shown to be as good, a loss of 0.05 is ruled "
        "out (difference +0.004, 95% interval \u22120.011 to +0.019). The other rates are reported, not tested."
    )


def test_predictive_values_name_their_prevalence() -> None:
    study = example.finished()
    assert "PPV and NPV hold for the prevalence among the test images, 73%; elsewhere they differ." in caption(study)
    assumed = changed(study, "decisions.assumed_prevalence", 0.05)
    assert "for an assumed prevalence of 5.0% (among the test images it is 73%)." in caption(assumed)


def test_where_patients_are_decided_on_they_are_named() -> None:
    study = example.finished()
    assert study.decisions
    rule = replace(study.decisions.full.rule, per="patient")
    study = changed(changed(study, "decisions.full.rule", rule), "decisions.units", 377)
    assert caption(study).startswith("On 377 test patients.")
    assert "Test patients by what they are (rows)" in text(study)


def test_the_whole_network_alone_has_nothing_to_be_compared_with() -> None:
    (table,) = tables(example.whole_network())
    assert table[1] == ["Found", "746"]
    assert prose(example.whole_network())[-1] == (
        "There is nothing to compare these rates with: they are reported, not tested."
    )


def test_grades_have_rates_and_no_threshold() -> None:
    (table,) = tables(example.grades())
    assert table == [["Balanced accuracy", "80%", "81%"], ["Accuracy", "81%", "82%"]]
    assert "prevalence" not in caption(example.grades())
    assert prose(example.grades())[0] == ("Truncated network: Each image gets the most probable of none, mild, severe.")


def test_masks_are_decisions_already() -> None:
    (table,) = tables(segmented.finished())
    assert table == [["Dice", "91%", "91%"]]
    assert prose(segmented.finished())[-1] == (
        "Masks are decisions already: what is judged of them is their Dice, as above."
    )


def several_labels() -> RunReport:
    study, names = example.finished(), ("normal", "pneumonia")

    def point(*thresholds: float) -> AtPoint:
        rule = DecisionRule(thresholds=thresholds)
        each = {"sensitivity": 0.9, "specificity": 0.8, "ppv": 0.7, "npv": float("nan"), "balanced_accuracy": 0.85}
        rates = {key: Estimate(value, value - 0.05, value + 0.05) for key, value in each.items()}
        return AtPoint(rule=rule, words=rule.words(names), rates=rates, by_label=dict.fromkeys(names, each))

    decisions = Decisions(
        split="test", units=1170, prevalence=float("nan"), full=point(0.3, 0.4), chosen=point(0.5, 0.6)
    )
    return replace(study, task=replace(study.task, kind=KINDS["multilabel"]), confusion=None, decisions=decisions)


def test_each_label_has_its_own_threshold_and_rates() -> None:
    means, labels = tables(several_labels())
    assert means[0] == ["Sensitivity", "90%", "90%"]
    assert labels[:3] == [
        ["normal", "truncated network", "0.500", "90%", "80%", "70%", "\u2013", "85%"],
        ["normal", "whole network", "0.300", "90%", "80%", "70%", "\u2013", "85%"],
        ["pneumonia", "truncated network", "0.600", "90%", "80%", "70%", "\u2013", "85%"],
    ]
    assert "PPV and NPV hold for the prevalence among the test images of each label" in caption(several_labels())


def card(study: RunReport) -> dict[str, list[tuple[str, str]]]:
    section = chosen_against_whole(study)
    assert section
    table = next(block for block in section.blocks if isinstance(block, Table))
    return {
        f"{row.cells[0].text}, {row.cells[0].note}": [(c.text, c.note) for c in row.cells[1:]] for row in table.rows
    }


def test_the_card_has_the_rates_at_the_operating_point_and_the_paired_difference_of_the_endpoint() -> None:
    rows = card(example.finished())
    assert rows["Test sensitivity, at the operating point"][0] == ("0.870", "0.846 to 0.894")
    assert rows["Test balanced accuracy, at the operating point"][2] == ("+0.004", "\u22120.011 to +0.019")
    assert "Test accuracy, of the most probable class" in rows
    assert "Test balanced accuracy, at the operating point" not in card(example.grades())
    assert "Test accuracy, " in card(example.grades())


def test_without_decisions_there_is_no_section() -> None:
    assert what_it_decides(replace(example.finished(), decisions=None)) is None
    assert what_it_decides(example.unfinished()) is None
