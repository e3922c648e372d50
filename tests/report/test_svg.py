from __future__ import annotations

import math

import pytest

from ttl.report.figures import svg


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.82, 0.99, ["0.85", "0.90", "0.95"]),
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.9712, 0.9788, ["0.972", "0.974", "0.976", "0.978"]),
        (-3.0, 12.0, ["0", "5", "10"]),
    ],
)
def test_ticks_are_round_and_within(low: float, high: float, labels: list[str]) -> None:
    assert svg.tick_labels(svg.nice_ticks(low, high)) == labels


def test_whole_ticks_have_no_fractions() -> None:
    assert svg.nice_ticks(0.5, 3.5, 12, whole=True) == [1, 2, 3]


def test_padding_stays_within_what_is_possible() -> None:
    assert svg.padded([0.5, 1.0], 0.0, 1.0) == (pytest.approx(0.47), 1.0)


@pytest.mark.parametrize("values", [[], [math.nan], [0.0], [1.0], [0.4, 0.4], [-2.0], [7.0]])
def test_padding_is_never_empty(values: list[float]) -> None:
    low, high = svg.padded(values, 0.0, 1.0)
    assert low < high


def test_scale_maps_ends_to_ends() -> None:
    scale = svg.Scale(0.0, 10.0, 300.0, 20.0)
    assert [scale(0), scale(5), scale(10)] == [300.0, 160.0, 20.0]


def test_text_and_attributes_are_escaped() -> None:
    drawn = svg.element("text", "<b>", class_='"x', stroke_width=2.0)
    assert drawn == '<text class="&#34;x" stroke-width="2">&lt;b&gt;</text>'


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    axes = svg.Axes.spanning((0.0, 3.0), (0.0, 1.0))
    path = axes.path([0, 1, 2, 3], [0.5, math.nan, 0.5, 0.5], "chosen")
    assert path.count("M") == 2
    assert path.count("L") == 1


def test_an_area_goes_there_and_back_and_leaves_out_what_is_missing() -> None:
    axes = svg.Axes(svg.Scale(0.0, 10.0, 0.0, 100.0), svg.Scale(0.0, 10.0, 0.0, 100.0))
    drawn = axes.area([1, 2, 3, 4], [1, 2, math.nan, 3], [5, 6, 7, 8], "probe")
    there_and_back = "M10.0 50.0L20.0 60.0L20.0 20.0L10.0 10.0Z"
    assert drawn == f'<path class="area probe" d="{there_and_back} M40.0 80.0L40.0 30.0Z"></path>'


def test_a_box_has_its_five_values_in_place() -> None:
    axes = svg.Axes(svg.Scale(0.0, 10.0, 0.0, 100.0), svg.Scale(0.0, 10.0, 100.0, 0.0))
    drawn = str(axes.box(5, [1, 2, 4, 6, 9], 8.0, "other", "words"))
    assert "<title>words</title>" in drawn
    assert 'd="M50.0 90.0V80.0M50.0 40.0V10.0M48.0 90.0h4.0M48.0 10.0h4.0"' in drawn
    assert 'class="box other" d="M46.0 80.0h8.0V40.0h-8.0Z"' in drawn
    assert 'class="median other" d="M46.0 60.0h8.0"' in drawn
