from __future__ import annotations

from functools import partial
from math import nan

import pytest

from toy_candidates import curve_of, cuts
from ttl.errors import TrainingError
from ttl.search.candidates import Cut, Joint
from ttl.search.evidence.curve import Curve, Look, one_standard_error
from ttl.search.evidence.overlap import OVERLAP, first_overlap
from ttl.search.select import choose_best
from ttl.search.strategies.by_curve import joint, probe, svcca
from ttl.search.strategy import Batch, Scores, SearchEnd, drive, one_by_one
from ttl.typed import from_json, to_json

JOINT = Joint("tiny", tuple(cut.point for cut in cuts()))


def test_the_smallest_within_a_standard_error_of_the_best_is_picked() -> None:
    assert one_standard_error(cuts(), curve_of(0.5, 0.69, 0.6, 0.7, 0.685)) is cuts()[1]
    assert one_standard_error(cuts(), curve_of(0.5, 0.69, 0.6, 0.7, 0.685, se=0.001)) is cuts()[3]
    assert one_standard_error(cuts(), curve_of(nan, nan, nan, 0.6, 0.7)) is cuts()[4]
    assert one_standard_error(cuts(), curve_of(0.5, 0.69, 0.6, 0.7, 0.685, se=nan)) is cuts()[3]
    with pytest.raises(TrainingError, match="No point could be probed"):
        one_standard_error(cuts(), curve_of(nan, nan, nan, nan, nan))


@pytest.mark.parametrize(("picked", "chosen"), [(0.9, 1), (0.3, 4)])
def test_two_fine_tunes_decide_after_a_probe_and_not_cutting_is_an_answer(picked: float, chosen: int) -> None:
    tried: list[Cut] = []

    def evaluate(cut: Cut) -> float:
        tried.append(cut)
        return picked if cut is cuts()[1] else 0.5

    end = drive(probe(cuts(), choose_best, partial(curve_of, 0.1, 0.7, 0.6, 0.6, 0.6)), one_by_one(evaluate))
    assert tried == [cuts()[1], cuts()[4]]
    assert end.choice.candidate is cuts()[chosen]


def test_where_the_probe_speaks_for_the_whole_network_there_is_one_fine_tune() -> None:
    evidence = partial(curve_of, 0.1, 0.2, 0.3, 0.4, 0.9)
    end = drive(probe(cuts(), choose_best, evidence), one_by_one(lambda cut: 0.5))
    assert [step.candidates for step in end.steps] == [(cuts()[4],)]


def after_heads(*looks: tuple[float, float], whole: float = 0.5) -> SearchEnd:
    """The joint search where the heads say so, and the whole network reaches `whole`."""
    rows = tuple(Look(cut.name, *look) for cut, look in zip(cuts(), looks, strict=True))
    curve = Curve("joint", "auprc", rows, paired=True, start=JOINT)

    def evaluate(batch: Batch) -> Scores:
        return {cut: whole if cut is cuts()[-1] else 0.6 for cut in batch.candidates}

    return drive(joint(cuts(), choose_best, lambda: curve), evaluate)


@pytest.mark.parametrize(("whole", "chosen"), [(0.5, 2), (0.7, 4), (nan, 2)])
def test_the_smallest_within_its_own_standard_error_goes_on_from_the_joint_network_and_meets_the_whole_one(
    whole: float, chosen: int
) -> None:
    end = after_heads((0.5, 0.1), (0.85, 0.04), (0.87, 0.04), (0.9, 0.0), (0.89, 0.02), whole=whole)
    assert end.steps == (Batch("joint", (cuts()[2],), start=JOINT), Batch("whole", (cuts()[4],)))
    assert end.choice.candidate is cuts()[chosen]
    assert end.choice.reason.endswith(f"; the heads of the joint network spoke for {cuts()[2].name}, of 5 points")


def test_where_the_highest_head_is_best_the_answer_is_a_plain_fine_tune_of_it() -> None:
    end = after_heads((0.5, 0.1), (0.5, 0.1), (nan, nan), (0.6, 0.1), (0.9, 0.0))
    assert end.steps == (Batch("whole", (cuts()[-1],)),)
    assert end.choice.candidate is cuts()[-1]


def test_without_any_score_there_is_no_pick() -> None:
    with pytest.raises(TrainingError, match="No point could be probed"):
        after_heads(*[(nan, nan)] * 5)


def overlapping(*indices: int) -> Curve:
    return curve_of(*(OVERLAP if cut.top.index in indices else 0.0 for cut in cuts()), evidence="svcca")


def test_the_lowest_that_overlaps_is_taken_and_the_highest_where_none_does() -> None:
    assert first_overlap(cuts(), overlapping(3, 5)) is cuts()[2]
    assert first_overlap(cuts(), overlapping()) is cuts()[-1]


@pytest.mark.parametrize("overlaps", [2, None])
def test_two_fine_tunes_or_one_and_the_features_are_compared_after_the_first(overlaps: int | None) -> None:
    order: list[object] = []

    def evaluate(cut: Cut) -> float:
        order.append(cut)
        return 0.5

    def compare() -> Curve:
        order.append("compared")
        return overlapping(*([overlaps] if overlaps else []))

    end = drive(svcca(cuts(), choose_best, compare), one_by_one(evaluate))
    assert order == [cuts()[-1], "compared", *([cuts()[1]] if overlaps else [])]
    assert end.choice.candidate is (cuts()[1] if overlaps else cuts()[-1])


def test_looks_survive_json() -> None:
    looks = (Look("stem", 0.5, 0.1), Look("layer1", nan, nan))
    written = [to_json(look) for look in looks]
    assert written[1] == {"cut": "layer1", "mean": None, "se": None}
    again = [from_json(Look, row, where="a file") for row in written]
    assert again[0] == looks[0]
    assert [to_json(look) for look in again] == written
