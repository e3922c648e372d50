from __future__ import annotations

from typing import Any

import pytest

from ttl.report.reading import read
from ttl.report.verdict import Verdict, chance_level, verdict

from . import example, segmented

SIZE = "Cut resnet18 at layer3.1: the truncated network keeps 25% of the parameters and 77% of the computation (MACs), "
SCORE = (
    ", and tells pneumonia from normal with a test AUPRC of 0.963 (95% interval 0.949 to 0.977) against the whole "
    "network's 0.960 (0.945 to 0.975)."
)


def verdict_of(report: dict[str, Any]) -> Verdict:
    return verdict(read(report))


def test_a_cut_that_is_faster() -> None:
    found = verdict_of(example.finished())
    assert found.tone == "cut"
    faster = "needs 75% of the whole network's time per image (95% interval 72% to 78%)"
    assert found.sentence == SIZE + faster + SCORE
    assert found.tried == (
        "Tried on 1\u202f170 test images of 377 patients, which took no part in training or in the choice; no patient "
        "is in two splits."
    )


def test_where_patients_are_not_known_that_is_said_and_an_old_report_is_silent() -> None:
    report = example.finished()
    report["task"]["groups"] = dict.fromkeys(("train", "val", "test"))
    report["task"]["groups_shared"] = None
    assert "It is not known which patient each is of" in verdict_of(report).tried
    report["run"]["config"] = {"dedupe": "together"}
    report["task"]["groups"]["test"] = 4
    assert "patients" not in verdict_of(report).tried
    del report["task"]["groups"]
    assert verdict_of(report).tried == (
        "Tried on 1\u202f170 test images, which took no part in training or in the choice."
    )


@pytest.mark.parametrize(
    ("ratio", "interval", "words"),
    [
        (
            0.98,
            [0.94, 1.02],
            "shows no measurable speed-up (98% of the whole network's time, 95% interval 94% to 102%)",
        ),
        (
            0.97,
            [0.94, 1.0],
            "shows no measurable speed-up (97% of the whole network's time, 95% interval 94% to 100%)",
        ),
        (1.1, [1.05, 1.16], "needs 110% of the whole network's time per image (95% interval 105% to 116%)"),
        (0.75, None, "needs 75% of the whole network's time per image"),
        (
            0.463,
            [0.4612, 0.4648],
            "needs 46% of the whole network's time per image (95% interval 46.1% to 46.5%)",
        ),
        (None, None, "has not been timed"),
    ],
)
def test_the_words_on_speed_follow_the_interval(ratio: float | None, interval: Any, words: str) -> None:
    report = example.finished()
    report["latency"][0] |= {"ratio_to_full": ratio, "ratio_ci": interval}
    assert verdict_of(report).sentence == SIZE + words + SCORE


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (True, " It is shown to be non-inferior: it loses less than 0.01 in AUPRC."),
        (False, " It is not shown to be non-inferior: a loss of 0.01 in AUPRC can't be ruled out."),
    ],
)
def test_non_inferiority_is_a_sentence_of_its_own(shown: bool, sentence: str) -> None:
    report = example.finished()
    report["comparison"] |= {"margin": 0.01, "non_inferior": shown}
    assert verdict_of(report).remark.endswith(sentence)


def test_a_better_network_is_not_called_non_inferior_too() -> None:
    report = example.finished()
    report["comparison"] |= {"margin": 0.01, "non_inferior": True}
    report["comparison"]["difference"] |= {"ci_low": 0.001, "ci_high": 0.005}
    assert "inferior" not in verdict_of(report).remark


@pytest.mark.parametrize(
    ("low", "high", "remark"),
    [
        (-0.008, 0.014, "The 1\u202f170 test images don't tell the two networks apart: "),
        (0.001, 0.005, "On the 1\u202f170 test images the truncated network is better than the whole one: "),
        (-0.02, -0.01, "On the 1\u202f170 test images the truncated network is worse than the whole one: "),
    ],
)
def test_the_remark_follows_the_interval_of_the_difference(low: float, high: float, remark: str) -> None:
    report = example.finished()
    report["comparison"]["difference"] |= {"ci_low": low, "ci_high": high}
    assert verdict_of(report).remark.startswith(remark + "difference in test AUPRC, truncated less whole, +0.003 (95%")


def test_the_whole_network_is_said_plainly() -> None:
    assert verdict_of(example.whole_network()) == Verdict(
        "keep",
        "Don't cut: none of the 6 smaller candidates matched the whole resnet18 on the validation images; "
        "the whole network tells pneumonia from normal with a test AUPRC of 0.960 "
        "(95% interval 0.945 to 0.975).",
        tried="Tried on 1\u202f170 test images of 377 patients, which took no part in training or in the choice; no "
        "patient is in two splits.",
    )


def test_the_whole_network_alone_is_no_evidence_against_cutting() -> None:
    report = example.whole_network()
    report["candidates"] = report["candidates"][-1:]
    assert "no candidate smaller than the whole resnet18 was tried" in verdict_of(report).sentence


def test_an_unfinished_study_gives_its_best_so_far() -> None:
    found = verdict_of(example.unfinished())
    assert found.tone == "open"
    assert found.sentence == (
        "Unfinished: 3 candidates tried so far, and no verdict yet; "
        "the best validation AUPRC is 0.958 (95% interval 0.939 to 0.977), cut at layer2.1."
    )


def test_a_chosen_point_before_the_last_steps_is_unfinished() -> None:
    report = example.finished() | {"status": "unfinished", "latency": []}
    found = verdict_of(report)
    assert found.tone == "open"
    assert found.sentence == SIZE + "has not been timed" + SCORE
    assert found.remark.startswith("Unfinished: later steps are missing")


def test_many_classes_are_counted() -> None:
    report = example.finished()
    report["task"] |= {"kind": "multiclass", "class_names": ["a", "b", "c"]}
    assert "tells 3 classes apart with a test AUPRC" in verdict_of(report).sentence


def test_a_u_net_is_called_one_and_judged_by_its_dice() -> None:
    found = verdict_of(segmented.finished())
    assert found.sentence == (
        "Cut unet:resnet18 at layer3.1: the truncated U-Net keeps 25% of the parameters and 76% of the computation "
        "(MACs), needs 75% of the whole U-Net's time per image (95% interval 72% to 78%), and outlines 2 classes with "
        "a test Dice of 0.913 (95% interval 0.899 to 0.927) against the whole U-Net's 0.910 (0.895 to 0.925)."
    )
    assert found.remark.startswith("The 24 test images don't tell the two U-Nets apart: difference in test Dice, tr")


def test_of_one_class_besides_the_background_the_name_is_said() -> None:
    study = segmented.finished()
    study["task"]["class_names"] = ["background", "nucleus"]
    assert "outlines nucleus with a test Dice" in verdict_of(study).sentence


def test_the_whole_u_net_is_said_plainly() -> None:
    sentence = verdict_of(segmented.whole_network()).sentence
    assert "none of the 6 smaller candidates matched the whole unet:resnet18 on the validation images" in sentence
    assert "; the whole U-Net outlines 2 classes with a test Dice of 0.910" in sentence


def test_where_classes_overlap_their_counts_are_no_number_of_images() -> None:
    study = segmented.finished()
    del study["task"]["split_images"]
    assert verdict_of(study).remark.startswith("The test images don't tell")


def test_guessing_gets_the_share_of_positives() -> None:
    assert chance_level(read(example.finished())) == pytest.approx(854 / 1170)
