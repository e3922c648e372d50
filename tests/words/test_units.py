from __future__ import annotations

import math

import pytest

from ttl.words import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8_548_416, "8.55 M"),
        (3.3e9, "3.30 G"),
        (852, "852"),
        (999.7, "1.00 k"),
        (9_999_999, "10.0 M"),
        (0, "0"),
    ],
)
def test_large(value: float, text: str) -> None:
    assert units.large(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2489, "25%"), (0.083, "8.3%"), (0.996, "99.60%"), (1.0, "100%"), (0.0035, "0.35%"), (1.37, "137%")],
)
def test_percent_never_rounds_to_all_or_nothing(value: float, text: str) -> None:
    assert units.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.234, "1.23"), (123.4, "123"), (0.01234, "0.0123"), (9.999, "10.0"), (4.77e-7, "4.77e\u221207")],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert units.significant(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0031, "+0.003"), (-0.01, "\u22120.010"), (-0.0001, "0.000")])
def test_signed(value: float, text: str) -> None:
    assert units.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.312, "4.31 px"), (9.994, "9.99 px"), (9.996, "10.0 px"), (123.44, "123.4 px"), (0, "0.00 px")],
)
def test_distance(value: float, text: str) -> None:
    assert units.distance(value, "px") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.416, "+0.42 mm"), (-12.34, "\u221212.3 mm"), (0.001, "0.00 mm"), (-0.001, "0.00 mm")]
)
def test_signed_distance(value: float, text: str) -> None:
    assert units.signed_distance(value, "mm") == text


@pytest.mark.parametrize(("value", "text"), [(11_142_310, "11.1 MB"), (1_500, "1.50 kB"), (12, "12 B")])
def test_size(value: float, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.2, "4.20 s"), (245, "4 min 5 s"), (4320, "1 h 12 min"), (59.99, "60.0 s")]
)
def test_duration(value: float, text: str) -> None:
    assert units.duration(value) == text


def test_a_missing_number_is_a_dash() -> None:
    writers = (
        units.significant, units.large, units.whole, units.percent, units.score, units.signed,
        units.ratio, units.milliseconds, units.size, units.duration, units.distance, units.signed_distance,
    )  # fmt: skip
    assert {write(math.nan) for write in writers} == {units.MISSING}


def test_plain_writes_any_json_value() -> None:
    value = {"a": [1, 2.5], "b": None, "c": True, "d": []}
    assert units.plain(value) == f"a: 1, 2.50; b: {units.MISSING}; c: yes; d: {units.MISSING}"
