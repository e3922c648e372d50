from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ttl.data.kind import KINDS
from ttl.report import RunReport
from ttl.report.headline import Headline, headline
from ttl.words.estimate import Estimate

from . import example, segmented
from .example import changed

SIZE = "Cut resnet18 at layer3.1: the truncated network keeps 25% of the parameters and 77% of the computation (MACs), "
SCORE = (
    ", and tells pneumonia from normal with a test AUPRC of 0.963 (95% interval 0.949 to 0.977) against the whole "
    "network's 0.960 (0.945 to 0.975)."
)


def test_a_cut_that_is_faster() -> None:
    top = headline(example.finished())
    assert top.tone == "cut"
    faster = "needs 75% of the whole network's time per image (95% interval 72% to 78%)"
    assert top.sentence == SIZE + faster + SCORE
    assert top.tried == (
        "Tried on 1\u202f170 test images of 377 patients, which took no part in training or in the choice; no patient "
        "is in two splits."
    )


def test_where_patients_are_not_known_the_page_says_so() -> None:
    unknown = dict.fromkeys(("train", "val", "test"))
    study = changed(changed(example.finished(), "task.groups", unknown), "task.groups_shared", None)
    assert "It is not known which patient each is of" in headline(study).tried


def test_groups_of_duplicates_are_no_patients() -> None:
    assert "patients" not in headline(changed(example.finished(), "run.config.dedupe", "together")).tried


@pytest.mark.parametrize(
    ("ratio", "interval", "words"),
    [
        (
            0.98,
            (0.94, 1.02),
            "shows no measurable speed-up (98% of the whole network's time, 95% interval 94% to 102%)",
        ),
        (
            0.97,
            (0.94, 1.0),
            "shows no measurable speed-up (97% of the whole network's time, 95% interval 94% to 100%)",
        ),
        (1.1, (1.05, 1.16), "needs 110% of the whole network's time per image (95% interval 105% to 116%)"),
        (0.75, None, "needs 75% of the whole network's time per image"),
        (
            0.463,
            (0.4612, 0.4648),
            "needs 46% of the whole network's time per image (95% interval 46.1% to 46.5%)",
        ),
        (None, None, "has not been timed"),
    ],
)
def test_the_words_on_speed_follow_the_interval(ratio: float | None, interval: Any, words: str) -> None:
    study = example.finished()
    timing = replace(study.latency[0], ratio_to_full=ratio, ratio_ci=interval)
    assert headline(replace(study, latency=(timing, study.latency[1]))).sentence == SIZE + words + SCORE


def compared(non_inferior: bool, low: float, high: float) -> RunReport:
    study = changed(example.finished(), "comparison.non_inferior", non_inferior)
    return changed(study, "comparison.difference", Estimate(0.003, low, high))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("non_inferior", "sentence"),
    [
        (True, " It is shown to be non-inferior: it loses less than 0.01 in AUPRC."),
        (False, " It is not shown to be non-inferior: a loss of 0.01 in AUPRC can't be ruled out."),
    ],
)
def test_non_inferiority_is_a_sentence_of_its_own(non_inferior: bool, sentence: str) -> None:
    assert headline(compared(non_inferior, -0.008, 0.014)).remark.endswith(sentence)


@pytest.mark.parametrize(
    ("non_inferior", "low", "high", "tone", "verdict"),
    [
        (True, -0.008, 0.014, "cut", "As good"),
        (False, -0.03, 0.014, "unsure", "Not shown to be as good"),
        (False, -0.03, -0.01, "worse", "Worse: don't cut"),
    ],
)
def test_the_verdict_is_a_word_with_a_colour(
    non_inferior: bool, low: float, high: float, tone: str, verdict: str
) -> None:
    top = headline(compared(non_inferior, low, high))
    assert (top.tone, top.verdict) == (tone, verdict)
    assert headline(example.whole_network()).verdict == "Don't cut"


def test_a_better_network_is_not_called_non_inferior_too() -> None:
    assert "inferior" not in headline(compared(True, 0.001, 0.005)).remark


@pytest.mark.parametrize(
    ("low", "high", "remark"),
    [
        (-0.008, 0.014, "The 1\u202f170 test images don't tell the two networks apart: "),
        (0.001, 0.005, "On the 1\u202f170 test images the truncated network is better than the whole one: "),
        (-0.02, -0.01, "On the 1\u202f170 test images the truncated network is worse than the whole one: "),
    ],
)
def test_the_remark_follows_the_interval_of_the_difference(low: float, high: float, remark: str) -> None:
    start = remark + "difference in test AUPRC, truncated less whole, +0.003 (95%"
    assert headline(compared(False, low, high)).remark.startswith(start)


def test_a_difference_without_an_interval_proves_nothing() -> None:
    remark = headline(changed(example.finished(), "comparison.difference", Estimate(0.003))).remark
    assert remark.startswith("How sure that is, is not known: difference in test AUPRC")


def test_the_whole_network_is_named_plainly() -> None:
    assert headline(example.whole_network()) == Headline(
        "keep",
        "Don't cut: none of the 6 smaller candidates matched the whole resnet18 on the validation images; "
        "the whole network tells pneumonia from normal with a test AUPRC of 0.960 "
        "(95% interval 0.945 to 0.975).",
        tried="Tried on 1\u202f170 test images of 377 patients, which took no part in training or in the choice; no "
        "patient is in two splits.",
    )


def test_the_whole_network_alone_is_no_evidence_against_cutting() -> None:
    study = example.whole_network()
    alone = replace(study, candidates=study.candidates[-1:])
    assert "no candidate smaller than the whole resnet18 was tried" in headline(alone).sentence


def test_an_unfinished_study_gives_its_best_so_far() -> None:
    top = headline(example.unfinished())
    assert top.tone == "open"
    assert top.sentence == (
        "Unfinished: 3 candidates tried so far, and no verdict yet; "
        "the best validation AUPRC is 0.958 (95% interval 0.939 to 0.977), cut at layer2.1."
    )
    begun = headline(replace(example.unfinished(), candidates=()))
    assert begun.sentence == "Unfinished: 0 candidates tried so far, and no verdict yet."


def test_a_chosen_point_before_the_last_steps_is_unfinished() -> None:
    top = headline(replace(example.finished(), status="unfinished", latency=()))
    assert top.tone == "open"
    assert top.sentence == SIZE + "has not been timed" + SCORE
    assert top.remark.startswith("Unfinished: later steps are missing")


def test_many_classes_are_counted() -> None:
    content = segmented.finished()
    many = replace(content, task=replace(content.task, kind=KINDS["multiclass"]))
    assert "tells 3 classes apart with a test Dice" in headline(many).sentence


def test_a_u_net_is_called_one_and_judged_by_its_dice() -> None:
    top = headline(segmented.finished())
    assert top.sentence == (
        "Cut unet:resnet18 at layer3.1: the truncated U-Net keeps 25% of the parameters and 76% of the computation "
        "(MACs), needs 75% of the whole U-Net's time per image (95% interval 72% to 78%), and outlines 2 classes with "
        "a test Dice of 0.913 (95% interval 0.899 to 0.927) against the whole U-Net's 0.910 (0.895 to 0.925)."
    )
    assert top.remark.startswith("The 24 test images don't tell the two U-Nets apart: difference in test Dice, tr")


def test_of_one_class_besides_the_background_the_name_is_given() -> None:
    study = segmented.finished()
    names = ("background", "nucleus")
    counts = {split: dict.fromkeys(names, 9) for split in study.task.counts}
    study = replace(study, task=replace(study.task, class_names=names, counts=counts))
    assert "outlines nucleus with a test Dice" in headline(study).sentence


def test_the_whole_u_net_is_named_plainly() -> None:
    sentence = headline(segmented.whole_network()).sentence
    assert "none of the 6 smaller candidates matched the whole unet:resnet18 on the validation images" in sentence
    assert "; the whole U-Net outlines 2 classes with a test Dice of 0.910" in sentence
