"""One image: counts of pixels, surprise, and the Hausdorff distance against every pair of boundary pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ttl.errors import DataError, UsageError
from ttl.stats import COLUMNS, overlap
from ttl.stats.mask_overlap import boundary, hausdorff95

TP, FP, FN, NLL, HD95 = range(5)


def sure(decision: np.ndarray, classes: int, chance: float = 0.75) -> np.ndarray:
    """Probabilities `(classes, h, w)` that give `chance` to the decision and share the rest."""
    return np.where(np.arange(classes)[:, None, None] == decision, chance, (1 - chance) / (classes - 1))


def blobs(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth noise above its mean."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    for axis in (0, 1):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
    return noise > 0


def by_every_pair(truth: np.ndarray, predicted: np.ndarray, spacing: tuple[float, float]) -> float:
    """Of masks that both hold something: nearest distances from every boundary pixel to every other's."""

    def edge(mask: np.ndarray) -> np.ndarray:
        height, width = mask.shape
        result = []
        for row, column in np.argwhere(mask):
            around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            if any(not (0 <= r < height and 0 <= c < width and mask[r, c]) for r, c in around):
                result.append((row, column))
        return np.array(result) * spacing

    distances = np.sqrt(((edge(truth)[:, None] - edge(predicted)) ** 2).sum(axis=2))
    return float(max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95)))


def test_counts_worked_out_by_hand() -> None:
    assert COLUMNS == ("tp", "fp", "fn", "nll", "hd95")
    truth = np.array([[0, 0, 1, 1], [0, 2, 2, 255]])
    decision = np.array([[0, 1, 1, 1], [0, 2, 0, 1]])
    result = overlap(truth, sure(decision, 3))
    assert result.shape == (3, 5)
    assert result.dtype == np.float64
    assert result[:, :3].tolist() == [[2, 1, 1], [2, 1, 0], [1, 0, 1]]
    # Class 0: two right (0.75) and one wrong (0.125); class 1: two right; class 2: one right and one wrong.
    right, wrong = -math.log(0.75), -math.log(0.125)
    assert result[:, NLL] == pytest.approx([2 * right + wrong, 2 * right, right + wrong])
    assert np.isnan(result[:, HD95]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("classes", [2, 4])
def test_counts_are_those_of_a_plain_loop(classes: int, dtype: type) -> None:
    rng = np.random.default_rng(classes)
    truth = rng.integers(classes, size=(13, 11)).astype(dtype)
    truth[rng.random(truth.shape) < 0.2] = 255
    logits = rng.normal(size=(classes, 13, 11))
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=0)).astype(np.float32)
    expected = np.zeros((classes, 4))
    for row, column in np.argwhere(truth != 255):
        held, claimed = int(truth[row, column]), int(probabilities[:, row, column].argmax())
        expected[held, TP if held == claimed else FN] += 1
        expected[claimed, FP] += held != claimed
        expected[held, NLL] -= math.log(probabilities[held, row, column])
    assert overlap(truth, probabilities)[:, :4] == pytest.approx(expected, rel=1e-6)


def test_a_tie_goes_to_the_lower_class() -> None:
    assert overlap(np.array([[1, 1]]), np.full((2, 1, 2), 0.5))[:, :3].tolist() == [[0, 2, 0], [0, 0, 2]]
    thirds = np.array([0.2, 0.4, 0.4]).reshape(3, 1, 1)
    assert overlap(np.array([[2]]), thirds)[:, :3].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_what_is_predicted_on_unlabelled_pixels_is_not_seen() -> None:
    truth = np.array([[1, 0, 0, 0, 255, 255]])
    near, far = np.array([[1, 0, 0, 0, 0, 0]]), np.array([[1, 0, 0, 0, 1, 1]])
    result = [overlap(truth, sure(decision, 2), with_distance=True) for decision in (near, far)]
    assert np.array_equal(*result)
    assert result[0][1].tolist() == [1, 0, 0, pytest.approx(-math.log(0.75)), 0]


def test_an_image_without_a_label_counts_nothing() -> None:
    result = overlap(np.full((3, 3), 255), sure(np.ones((3, 3)), 2), with_distance=True)
    assert result[:, :4].tolist() == [[0] * 4] * 2
    assert np.isnan(result[:, HD95]).all()


def test_no_chance_at_all_is_a_large_surprise_and_not_an_infinite_one() -> None:
    nothing = np.array([1.0, 0.0], np.float32).reshape(2, 1, 1)
    assert overlap(np.array([[1]]), nothing)[1, NLL] == pytest.approx(-math.log(np.finfo(np.float32).tiny))
    assert overlap(np.array([[0]]), nothing)[0, NLL] == 0
    assert overlap(np.array([[0]]), nothing * np.float32(1.000001))[0, NLL] == 0  # rounded above 1
    assert math.isnan(overlap(np.array([[0]]), nothing * np.nan)[0, NLL])


def test_a_boundary_has_a_neighbour_outside_or_lies_at_the_edge_of_the_image() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:, 1:5] = True
    expected = mask.copy()
    expected[2:4, 2:4] = False
    assert np.array_equal(boundary(mask), expected)


@pytest.mark.parametrize(
    ("spacing", "expected"), [(None, 3.0), ((1.0, 1.0), 3.0), ((2.0, 0.5), 1.5), ((0.1, 2.0), 6.0)]
)
def test_the_distance_of_a_shifted_pixel_is_the_shift(spacing: tuple[float, float] | None, expected: float) -> None:
    truth, predicted = np.zeros((4, 9), int), np.zeros((4, 9), int)
    truth[1, 2], predicted[1, 5] = 1, 1
    result = overlap(truth, sure(predicted, 2), spacing=spacing, with_distance=True)
    assert result[1, HD95] == pytest.approx(expected)


def test_the_percentile_leaves_out_a_stray_pixel() -> None:
    # A line of 41 is hit whole, and a stray pixel lies 100 below: 1 of 42 distances isn't 0, and 5 % may be.
    truth = np.zeros((110, 41), bool)
    truth[0] = True
    stray = truth.copy()
    stray[100, 7] = True
    assert hausdorff95(truth, stray) == 0
    # Of a line of 10, the 95th percentile of ten 0s and a 100 lies midway between the last two.
    assert hausdorff95(truth[:, :10], stray[:, :10]) == pytest.approx(50)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 2.5)])
@pytest.mark.parametrize("seed", range(6))
def test_the_distance_is_that_of_every_pair(seed: int, spacing: tuple[float, float]) -> None:
    truth, predicted = blobs(seed, 23, 17), blobs(seed + 100, 23, 17)
    result = hausdorff95(truth, predicted, spacing)
    assert result == pytest.approx(by_every_pair(truth, predicted, spacing))
    assert result > 0
    assert hausdorff95(predicted, truth, spacing) == result


def test_each_class_has_its_own_distance() -> None:
    truth, decision = np.zeros((8, 20), int), np.zeros((8, 20), int)
    truth[:, :5], decision[:, :5] = 1, 1
    truth[4, 10], decision[4, 14] = 2, 2
    result = overlap(truth, sure(decision, 4), with_distance=True)[:, HD95]
    assert result[1:3].tolist() == [0, 4]
    assert math.isnan(result[3])  # in neither
    masks = truth == 0, decision == 0
    assert result[0] == pytest.approx(by_every_pair(*masks, (1.0, 1.0)))


def test_a_missed_object_is_as_far_as_the_image_is_long() -> None:
    full, empty = np.ones((30, 40), int), np.zeros((30, 40), int)
    for truth, decision in ((full, empty), (empty, full)):
        assert overlap(truth, sure(decision, 2), with_distance=True)[:, HD95].tolist() == [50, 50]
    assert hausdorff95(full == 1, empty == 1, (2.0, 2.0)) == 100
    assert math.isnan(hausdorff95(empty == 1, empty == 1))


@pytest.mark.parametrize(
    ("truth", "shape", "error", "text"),
    [
        (
            np.zeros((2, 3), int),
            (2, 3, 2),
            UsageError,
            r"truth \(2, 3\) and probabilities \(2, 3, 2\) must be \(h, w\)",
        ),
        (np.zeros((2, 3), int), (2, 3), UsageError, r"probabilities \(2, 3\) must be"),
        (np.zeros((2, 3), int), (1, 2, 3), UsageError, "can't have 1 classes"),
        (np.zeros((2, 3), int), (256, 2, 3), UsageError, "can't have 256 classes"),
        (np.full((2, 3), 2), (2, 2, 3), DataError, r"6 pixels have a class such as 2; they must be in 0\.\.1, or 255"),
        (np.full((2, 3), 256), (2, 2, 3), DataError, "a class such as 256"),
        (np.full((2, 3), -1), (2, 2, 3), DataError, "a class such as -1"),
    ],
)
def test_what_doesnt_fit_is_named(truth: np.ndarray, shape: tuple[int, ...], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        overlap(truth, np.full(shape, 0.5))


@pytest.mark.parametrize("spacing", [(1.0,), (0.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_a_spacing_is_two_positive_numbers(spacing: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="spacing must be two positive numbers, mm by row and by column, not"):
        overlap(np.zeros((2, 2), int), np.full((2, 2, 2), 0.5), spacing=spacing)
    with pytest.raises(UsageError, match=r"masks \(2, 2\) and \(2, 3\) must both be"):
        hausdorff95(np.ones((2, 2), bool), np.ones((2, 3), bool))
