from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ttl.report import RunReport
from ttl.report.headline import headline
from ttl.report.tiles import tiles_of
from ttl.report.verdict import VERDICTS, verdict
from ttl.words.estimate import Estimate

from . import example, segmented
from .example import changed
from .example_decided import power, undertrained


def over(study: RunReport, **values: Any) -> RunReport:
    """The study with other parts: `comparison__difference=...`."""
    for path, value in values.items():
        study = changed(study, path.replace("__", "."), value)
    return study


def chosen_unfinished() -> RunReport:
    return replace(example.finished(), status="unfinished", latency=())


def worse() -> RunReport:
    return over(
        example.finished(), comparison__non_inferior=False, comparison__difference=Estimate(-0.03, -0.05, -0.01)
    )


def under_trained() -> RunReport:
    return changed(example.finished(), "full.undertrained", undertrained(blocks=True))  # type: ignore[no-any-return]


def whole_alone() -> RunReport:
    study = example.whole_network()
    return replace(study, candidates=study.candidates[-1:])


STUDIES = {
    example.finished: "cut",
    example.over_seeds: "cut",
    example.grades: "cut",
    segmented.finished: "cut",
    example.not_shown: "unsure",
    under_trained: "unsure",
    worse: "worse",
    example.whole_network: "keep",
    segmented.whole_network: "keep",
    whole_alone: "keep",
    example.unfinished: "open",
    chosen_unfinished: "open",
}


@pytest.mark.parametrize(("study", "tone"), STUDIES.items())
def test_a_headline_has_at_most_twenty_words_under_its_verdict(study: Any, tone: str) -> None:
    top = headline(study())
    assert top.tone == tone
    assert top.verdict == VERDICTS[tone]
    assert 3 < len(top.sentence.split()) <= 20
    assert top.sentence.endswith(".")


def test_the_verdicts_are_words_that_the_readers_know() -> None:
    assert list(VERDICTS.values()) == ["As good", "Not shown", "Worse: don't cut", "Don't cut", "No verdict yet"]


def test_a_cut_that_is_as_good_says_what_it_saves() -> None:
    cut = "Cut resnet18 at layer3.1: as good as the whole network, with 25% of its parameters"
    assert headline(example.finished()).sentence == f"{cut} and 75% of its time."
    timed = example.finished().latency
    same = replace(timed[0], ratio_to_full=0.97, ratio_ci=(0.94, 1.0))
    assert headline(replace(example.finished(), latency=(same, timed[1]))).sentence == f"{cut}."
    slower = replace(timed[0], ratio_to_full=1.1, ratio_ci=(1.05, 1.16))
    assert headline(replace(example.finished(), latency=(slower, timed[1]))).sentence.endswith("but 110% of its time.")
    assert headline(replace(example.finished(), latency=())).sentence == f"{cut}."
    assert headline(segmented.finished()).sentence.startswith("Cut unet:resnet18 at layer3.1: as good as the whole U-N")


def test_as_good_needs_the_metric_and_the_decisions() -> None:
    assert verdict(example.finished()).reasons == (
        "AUPRC: shown to be as good, a loss of 0.01 is ruled out (difference +0.003, 95% interval "
        "\u22120.008 to +0.014).",
        "Balanced accuracy: shown to be as good, a loss of 0.05 is ruled out (difference +0.004, 95% interval "
        "\u22120.011 to +0.019).",
    )
    assert verdict(over(example.finished(), comparison__non_inferior=False)).tone == "unsure"
    assert verdict(over(example.finished(), decisions__endpoint__non_inferior=False)).tone == "unsure"
    assert verdict(over(example.finished(), decisions__endpoint=None)).tone == "cut"


def test_what_is_not_shown_stands_beside_the_verdict_with_its_interval_and_the_number_of_images() -> None:
    auprc, decisions, few = headline(example.not_shown()).reasons
    assert auprc.startswith("AUPRC: shown to be as good")
    assert decisions == (
        "Balanced accuracy: not shown, a loss of 0.05 can't be ruled out (difference \u22120.020, 95% interval "
        "\u22120.061 to +0.019)."
    )
    assert few.startswith("Too few images: 1170 independent test images (patients) have a chance of 64 %")


def test_where_there_are_images_enough_they_are_not_the_reason() -> None:
    study = over(example.not_shown(), comparison__power=replace(power(), chance=0.9))
    assert len(headline(study).reasons) == 2


def test_either_part_that_is_worse_makes_the_cut_worse() -> None:
    decisions = over(
        example.finished(),
        decisions__endpoint__non_inferior=False,
        decisions__endpoint__difference=Estimate(-0.09, -0.12, -0.04),
    )
    for study in (worse(), decisions):
        top = headline(study)
        assert top.sentence == "Don't cut resnet18 at layer3.1: it is shown to be worse than the whole network."
        assert sum("shown to be worse (" in reason for reason in top.reasons) == 1


def test_a_cost_is_worse_where_it_rises() -> None:
    study = over(example.finished(), decisions__endpoint__metric="cost", decisions__endpoint__non_inferior=False)
    falls = over(study, decisions__endpoint__difference=Estimate(-0.09, -0.12, -0.04))
    rises = over(study, decisions__endpoint__difference=Estimate(0.09, 0.04, 0.12))
    assert (verdict(falls).tone, verdict(rises).tone) == ("unsure", "worse")
    assert "Expected cost: not shown, a rise of 0.05 can't be ruled out" in verdict(falls).reasons[1]


def test_what_is_better_is_called_so() -> None:
    study = over(example.finished(), comparison__difference=Estimate(0.02, 0.004, 0.04))
    assert verdict(study).tone == "cut"
    assert verdict(study).reasons[0].startswith("AUPRC: shown to be better (difference +0.020")


def test_a_report_without_decisions_says_so() -> None:
    found = verdict(over(example.finished(), decisions=None))
    assert found.tone == "unsure"  # as good needs both
    assert "What the two decide was not compared." in found.reasons


def test_a_loss_within_the_margin_is_no_worse() -> None:
    study = over(example.finished(), comparison__difference=Estimate(-0.004, -0.008, -0.001))
    assert verdict(study).tone == "cut"


def test_a_difference_without_an_interval_shows_nothing() -> None:
    study = over(example.finished(), comparison__non_inferior=False, comparison__difference=Estimate(-0.03))
    assert verdict(study).tone == "unsure"
    assert "(difference \u22120.030, without an interval)" in verdict(study).reasons[0]


def test_against_a_whole_network_that_is_under_trained_nothing_is_shown() -> None:
    top = headline(under_trained())
    assert top.sentence == "The whole resnet18 is under-trained: nothing is shown of the cut at layer3.1."
    assert top.reasons[0] == (
        "The whole network is under-trained: its validation loss (0.5810) is no better than that of always giving the "
        "same probabilities (0.5830), and its validation loss was still falling at the last epoch; give it more "
        "--epochs, or a higher --lr."
    )
    assert top.remark == ""


def test_a_loss_that_was_still_falling_is_a_remark() -> None:
    top = headline(changed(example.finished(), "chosen.undertrained", undertrained(blocks=False)))
    assert top.tone == "cut"
    assert top.remark.startswith("The truncated network is under-trained: its validation loss was still falling")


def test_where_patients_are_not_known_the_page_says_so() -> None:
    unknown = dict.fromkeys(("train", "val", "test"))
    study = over(example.finished(), task__groups=unknown, task__groups_shared=None)
    assert "It is not known which patient each is of" in headline(study).tried
    assert tiles_of(study)[-1].beside == "patients not known"


def test_groups_of_duplicates_are_no_patients() -> None:
    assert "patients" not in headline(changed(example.finished(), "run.config.dedupe", "together")).tried


def test_the_images_that_it_was_tried_on_are_named() -> None:
    assert headline(example.finished()).tried == (
        "Tried on 1\u202f170 test images of 377 patients, which took no part in training or in the choice; no patient "
        "is in two splits."
    )


def lines(study: RunReport) -> list[str]:
    return [tile.line() for tile in tiles_of(study)]


def test_tiles_have_the_cut_s_figures_and_the_whole_network_s_beside_them() -> None:
    assert lines(example.finished()) == [
        "Parameters: 25% (2.78 M of 11.2 M), file 11.1 MB of 44.7 MB",
        "Time per image: 75% (72% to 78% of the whole network's), 4.31 ms of 5.75 ms",
        "Sensitivity: 87% (85% to 89%), whole: 87% (85% to 90%)",
        "Specificity: 96% (93% to 98%), whole: 95% (93% to 97%)",
        "AUPRC: 0.963 (0.949 to 0.977), whole: 0.960 (0.945 to 0.975)",
        "AUROC: 0.942 (0.924 to 0.960), whole: 0.939 (0.920 to 0.958)",
        "Test images: 1\u202f170, of 377 patients",
    ]


def test_tiles_of_the_whole_network_compare_with_nothing() -> None:
    assert lines(example.whole_network()) == [
        "Parameters: 11.2 M, file 44.7 MB",
        "Time per image: 5.75 ms, onnxruntime 1.22.0",
        "Sensitivity: 87% (85% to 90%)",
        "Specificity: 95% (93% to 97%)",
        "AUPRC: 0.960 (0.945 to 0.975)",
        "AUROC: 0.939 (0.920 to 0.958)",
        "Test images: 1\u202f170, of 377 patients",
    ]


def test_what_is_decided_of_grades_and_of_masks_has_its_own_figure() -> None:
    assert "Balanced accuracy: 80% (78% to 82%), whole: 81% (79% to 83%)" in lines(example.grades())
    assert [tile.title for tile in tiles_of(segmented.finished())] == [
        "Parameters", "Time per image", "Dice", "Test images",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "interval", "line"),
    [
        (0.98, (0.94, 1.02), "98% (94% to 102%: no measurable speed-up)"),
        (0.463, (0.4612, 0.4648), "46% (46.1% to 46.5% of the whole network's)"),
        (0.75, None, "75% (of the whole network's)"),
    ],
)
def test_time_is_a_share_whose_interval_has_digits_enough(ratio: float, interval: Any, line: str) -> None:
    timed = example.finished().latency
    study = replace(example.finished(), latency=(replace(timed[0], ratio_to_full=ratio, ratio_ci=interval), timed[1]))
    assert lines(study)[1] == f"Time per image: {line}, 4.31 ms of 5.75 ms"
    assert lines(replace(study, latency=()))[1] == "Time per image: not timed"


def test_where_patients_are_decided_on_they_are_what_is_counted() -> None:
    rule = example.finished().decisions
    assert rule
    study = over(example.finished(), decisions__full__rule=replace(rule.full.rule, per="patient"), decisions__units=377)
    assert lines(study)[-1] == "Test patients: 377, 1\u202f170 images"


def test_an_unfinished_study_gives_its_best_so_far() -> None:
    assert headline(example.unfinished()).sentence == (
        "Unfinished: 3 candidates tried so far; the best validation AUPRC is 0.958, cut at layer2.1."
    )
    assert headline(example.unfinished()).tiles == ()
    begun = headline(replace(example.unfinished(), candidates=()))
    assert begun.sentence == "Unfinished: 0 candidates tried so far."


def test_a_chosen_point_before_the_last_steps_is_unfinished() -> None:
    assert headline(chosen_unfinished()).sentence == (
        "Unfinished: resnet18 cut at layer3.1 is chosen; later steps are missing, so figures may be too."
    )


def test_the_whole_network_is_named_plainly() -> None:
    matched = "smaller candidates matched the whole network on the validation images."
    assert headline(example.whole_network()).sentence == f"Don't cut resnet18: none of the 6 {matched}"
    assert headline(whole_alone()).sentence == (
        "Don't cut resnet18: no candidate smaller than the whole network was tried."
    )
    two = replace(example.whole_network(), candidates=example.whole_network().candidates[-2:])
    assert "the one smaller candidate did not match the whole network" in headline(two).sentence
