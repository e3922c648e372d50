from __future__ import annotations

import math

import pytest

from ttl.words.estimate import Estimate
from ttl.words.metric import metric


@pytest.mark.parametrize(
    ("key", "name"),
    [("auprc", "AUPRC"), ("dice", "Dice"), ("jaccard", "Jaccard"), ("dice_pooled", "Dice, pooled"),
     ("jaccard_pooled", "Jaccard, pooled"), ("hd95", "HD95"), ("of_a_plugin", "of_a_plugin")],
)  # fmt: skip
def test_names(key: str, name: str) -> None:
    assert metric(key).name == name


def test_a_share_has_three_decimals_and_no_unit() -> None:
    dice = metric("dice", "mm")
    assert (dice.titled, dice.ceiling, dice.note) == ("Dice", 1.0, "")
    assert dice.text(0.91234) == "0.912"
    assert dice.signed(0.003) == "+0.003"
    assert dice.interval(Estimate(0.9, 0.8, 1.0)) == "0.800 to 1.000"


def test_a_distance_has_its_unit_and_no_highest_value() -> None:
    hd95 = metric("hd95", "mm")
    assert (hd95.titled, hd95.ceiling, hd95.note) == ("HD95, mm", math.inf, "lower is better")
    assert hd95.text(4.312) == "4.31 mm"
    assert hd95.signed(-0.25) == "\u22120.25 mm"
    assert hd95.interval(Estimate(4.3, 3.904, 12.06)) == "3.90 to 12.1 mm"


def test_without_a_unit_or_a_value_none_is_invented() -> None:
    assert (metric("hd95").titled, metric("hd95").text(4.312)) == ("HD95", "4.31")
    assert metric("hd95", "px").text(math.nan) == metric("dice").text(math.nan)
    assert metric("hd95", "px").interval(Estimate(4.3)) == ""
