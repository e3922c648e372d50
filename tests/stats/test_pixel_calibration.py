"""How far masks' probabilities can be believed, on maps whose figures are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from ttl.errors import UsageError
from ttl.stats import PixelCalibration, brier, intervals, log_losses, metrics, pixel_calibration
from ttl.stats.scoring import ECE_BINS


def maps(foreground: list[list[float]]) -> np.ndarray:
    one = np.array(foreground, np.float32)
    return np.stack([1 - one, one])


def drawn(n: int, tilt: float, rng: np.random.Generator) -> np.ndarray:
    """Rows of `n` images of 12 x 12: blobs of 6 x 6 pixels that are right or wrong together, at true probabilities.

    The logits that are told are `tilt` times the true ones.
    """
    rows = []
    for _ in range(n):
        logits = np.kron(rng.normal(size=(2, 2)), np.ones((6, 6)))
        truth = np.kron(rng.random((2, 2)), np.ones((6, 6))) < expit(logits)
        told = expit(tilt * logits)
        rows.append(pixel_calibration(truth.astype(np.uint8), np.stack([1 - told, told])))
    return np.stack(rows)


def test_an_image_by_hand() -> None:
    truth = np.array([[1, 0], [0, 255]], np.uint8)
    row = pixel_calibration(truth, maps([[0.8, 0.4], [0.7, 0.99]]))
    of = PixelCalibration.of(row[None])
    assert of.log_loss[0] == pytest.approx(-(np.log(0.8) + np.log(0.6) + np.log(0.3)) / 3)
    assert of.brier[0] == pytest.approx((0.2**2 + 0.4**2 + 0.7**2) / 3)
    assert of.bias[0] == pytest.approx([(0.2 + 0.6 + 0.3 - 2) / 3, (0.8 + 0.4 + 0.7 - 1) / 3])
    gaps = np.zeros(ECE_BINS)
    gaps[[12, 9, 10]] = np.array([1 - 0.8, 1 - 0.6, -0.7]) / 3  # of 15 bins: 0.8, 0.6 and the wrong 0.7
    assert of.gaps[0] == pytest.approx(gaps, abs=1e-7)
    assert metrics("pixels", [[1, 1]], row[None]) == pytest.approx({"ece": (0.2 + 0.4 + 0.7) / 3})


def test_pixels_have_the_losses_that_as_many_images_would_have() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 400)
    labels = rng.integers(0, 3, 400)
    row = pixel_calibration(labels.reshape(20, 20), probabilities.T.reshape(3, 20, 20))[None]
    of = PixelCalibration.of(row)
    assert of.log_loss[0] == pytest.approx(log_losses("multiclass", labels, probabilities).mean())
    assert of.brier[0] == pytest.approx(brier("multiclass", labels, probabilities).mean())
    own = metrics("multiclass", labels, probabilities, ("ece",))["ece"]
    assert metrics("pixels", [[1, 1, 1]], row)["ece"] == pytest.approx(own)


def test_unlabelled_pixels_and_images_count_in_nothing() -> None:
    rng = np.random.default_rng(1)
    truth, one = rng.integers(0, 2, (4, 4)), rng.random((4, 4)).astype(np.float32)
    alone = pixel_calibration(truth, maps(one.tolist()))
    bordered = np.pad(truth, 2, constant_values=255)
    assert pixel_calibration(bordered, maps(np.pad(one, 2, constant_values=0.9).tolist())) == pytest.approx(alone)
    nothing = pixel_calibration(np.full((4, 4), 255), maps(one.tolist()))
    assert np.isnan(nothing).all()
    assert len(nothing) == len(alone)
    many = drawn(12, 1.0, rng)
    with_nothing, labels = np.vstack([many, nothing]), np.ones((13, 2))
    assert metrics("pixels", labels, with_nothing) == metrics("pixels", labels[1:], many)
    expected = PixelCalibration.of(many).expected_error(None)
    assert PixelCalibration.of(with_nothing).expected_error(None) == expected
    assert np.isnan(metrics("pixels", [[1, 1]], nothing[None])["ece"])


def test_a_large_image_counts_as_a_small_one() -> None:
    rng = np.random.default_rng(2)
    small, large = (rng.random((side, side)).astype(np.float32) for side in (3, 30))
    rows = np.stack([pixel_calibration(np.zeros(one.shape, np.uint8), maps(one.tolist())) for one in (small, large)])
    found = intervals("values", np.ones((2, 2)), PixelCalibration.of(rows).log_loss, names=("log_loss",))["log_loss"]
    assert found.value == pytest.approx((-np.log(1 - small).mean() - np.log(1 - large).mean()) / 2, rel=1e-5)


def share_within_the_reference(images: int, tilt: float) -> float:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(100):
        rows = drawn(images, tilt, rng)
        expected = PixelCalibration.of(rows).expected_error(None)
        hits += metrics("pixels", np.ones((images, 2)), rows)["ece"] <= expected.ci_high
    return hits / 100


@pytest.mark.parametrize("images", [8, 30])
def test_true_probabilities_lie_within_the_reference(images: int) -> None:
    assert share_within_the_reference(images, 1.0) >= 0.9


def test_probabilities_that_are_too_sure_lie_above_the_reference() -> None:
    assert share_within_the_reference(30, 3.0) <= 0.3


def test_pixels_taken_each_by_itself_would_make_the_reference_far_too_small() -> None:
    rows = drawn(30, 1.0, np.random.default_rng(4))
    # Of 144 * 30 independent pixels a bin's share is known to within 0.02.
    assert PixelCalibration.of(rows).expected_error(None).value > 0.05


def test_images_of_a_patient_are_drawn_together() -> None:
    rows = np.repeat(drawn(10, 1.0, np.random.default_rng(5)), 6, axis=0)
    groups = [str(i // 6) for i in range(60)]
    of = PixelCalibration.of(rows)
    whole, apart = of.expected_error(groups), of.expected_error(None)
    assert whole.value > 2 * apart.value
    one_each = PixelCalibration.of(rows[::6]).expected_error(None)
    assert whole.value == pytest.approx(one_each.value, rel=1e-9)
    assert not of.expected_error(["one"] * 60).is_defined


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="must be"):
        pixel_calibration(np.zeros((2, 3), np.uint8), maps([[0.5, 0.5]]))
    with pytest.raises(UsageError, match="classes"):
        PixelCalibration.of(np.zeros((3, 5)))
    with pytest.raises(UsageError, match="of images"):
        metrics("pixels", [[1, 1, 1]], drawn(1, 1.0, np.random.default_rng(0)))
