from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from ttl.data.modality.windows import FLOOR, _spans, _weight, divisible, segment
from ttl.errors import ModelError, UsageError


class Network:
    """A pointwise network of two classes, (x, 1 - 2x) of the first channel, that remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[np.ndarray] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.float32
        self.given.append(images)
        return np.stack([images[:, 0], 1 - 2 * images[:, 0]], axis=1)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [images.shape for images in self.given]


def image(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(channels, height, width)).astype(np.float32)


@pytest.mark.parametrize("divisor", [1, 8])
@pytest.mark.parametrize("window", [16, 20])
@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (5, 7), (16, 16), (24, 24), (17, 40), (40, 17), (3, 50), (50, 24), (33, 45)]
)
def test_a_pointwise_network_gives_what_it_gives_on_the_whole(
    height: int, width: int, window: int, divisor: int
) -> None:
    network, pixels = Network(), image(height, width)
    found = segment(pixels, network, window=window, divisor=divisor, batch_size=3)
    assert found.dtype == np.float32
    assert found == pytest.approx(Network()(pixels[None])[0], rel=1e-5, abs=1e-5)
    for n, _, *sides in network.shapes:
        assert 1 <= n <= 3
        assert all(side % divisor == 0 and side <= divisible(window, divisor) for side in sides)


def test_an_image_that_fits_is_run_once_and_as_it_is() -> None:
    network, pixels = Network(), image(16, 24)
    found = segment(pixels, network, window=32, divisor=8)
    assert network.shapes == [(1, 3, 16, 24)]
    assert np.array_equal(found, Network()(pixels[None])[0])


def test_the_window_is_rounded_up_to_the_divisor() -> None:
    network = Network()
    segment(image(24, 24), network, window=20, divisor=8)
    assert network.shapes == [(1, 3, 24, 24)]


def test_padding_reflects_at_the_end_of_a_side() -> None:
    network = Network()
    segment(np.arange(5, dtype=np.float32).reshape(1, 1, 5), network, window=8, divisor=4)
    # A row of 0 1 2 3 4, reflected to eight; the one row can't be, and is repeated.
    assert network.given[0][0, 0].tolist() == [[0, 1, 2, 3, 4, 3, 2, 1]] * 4


def test_a_side_too_short_to_be_reflected_repeats_its_last_pixel() -> None:
    network = Network()
    segment(np.arange(2, dtype=np.float32).reshape(1, 1, 2), network, window=8, divisor=8)
    assert network.given[0][0, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]


def test_a_side_that_the_window_covers_is_padded_no_further_than_the_divisor() -> None:
    network = Network()
    segment(image(9, 64), network, window=32, divisor=8)
    assert network.shapes == [(3, 3, 16, 32)]  # windows at 0, 16 and 32


@pytest.mark.parametrize(("batch_size", "batches"), [(1, [1] * 9), (2, [2, 2, 2, 2, 1]), (9, [9]), (100, [9])])
def test_windows_are_run_in_batches(batch_size: int, batches: list[int]) -> None:
    network, pixels = Network(), image(32, 32)
    found = segment(pixels, network, window=16, divisor=16, batch_size=batch_size)  # at 0, 8 and 16 of each side
    assert [shape[0] for shape in network.shapes] == batches
    assert found == pytest.approx(segment(pixels, Network(), window=16, divisor=16, batch_size=1), abs=1e-6)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("window", [1, 7, 16])
def test_windows_cover_a_side_and_overlap_as_asked(window: int, overlap: float) -> None:
    for side in range(1, 60):
        spans = _spans(side, window, overlap)
        assert (spans[0].start, spans[-1].stop) == (0, side)
        assert {span.stop - span.start for span in spans} == {min(side, window)}
        steps = [after.start - before.start for before, after in pairwise(spans)]
        assert all(0 < step <= max(1, window * (1 - overlap)) for step in steps)
        assert not steps or max(steps) - min(steps) <= 1


def test_where_windows_meet_the_nearer_middle_weighs_more() -> None:
    # Two windows of 8 on a row of 12, at 0 and 4: the first says 0 everywhere, the second 1.
    answers = iter([0.0, 1.0])

    def run(images: np.ndarray) -> np.ndarray:
        return np.full_like(images, next(answers))

    found = segment(image(8, 12, channels=1), run, window=8, divisor=8, batch_size=1)[0, 0]
    assert found[:4].tolist() == [0] * 4
    assert found[8:].tolist() == [1] * 4
    # Pixels 4 to 7 lie 0.5 to 3.5 from the first middle and 3.5 to 0.5 from the second, the first row 3.5 above both.
    away = np.arange(4) + 0.5
    left, right = (np.maximum(np.exp(-0.5 * (3.5**2 + side**2)), FLOOR) for side in (away, away[::-1]))  # sigma 8 / 8
    assert found[4:8] == pytest.approx(right / (left + right), rel=1e-5)


def test_weights_are_those_of_a_gaussian_of_an_eighth_of_the_side_and_never_0() -> None:
    weight = _weight(17, 9)
    assert weight[8, 4] == 1
    assert weight[8 + 2, 4] == pytest.approx(np.exp(-0.5 * (2 / (17 / 8)) ** 2))
    assert weight[8, 4 + 1] == pytest.approx(np.exp(-0.5 * (1 / (9 / 8)) ** 2))
    assert weight.min() == np.float32(FLOOR)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"window": 0}, "The image size is 0: give the side"),
        ({"window": (8, 0)}, "The image size is .8, 0.: give"),
        ({"divisor": 0}, "divisor must be at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"overlap": 1.0}, "overlap must be at least 0 and below 1, not 1.0"),
        ({"overlap": -0.1}, "overlap must be at least 0"),
    ],
)
def test_options_that_make_no_sense_are_named(options: dict[str, float], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        segment(image(4, 4), Network(), **({"window": 8, "divisor": 4} | options))  # type: ignore[arg-type]


def test_shapes_that_make_no_sense_are_named() -> None:
    with pytest.raises(UsageError, match=r"must be \(channels, height, width\), not \(4, 4\)"):
        segment(image(4, 4)[0], Network(), window=8, divisor=4)
    with pytest.raises(UsageError, match=r"not \(3, 0, 4\)"):
        segment(image(0, 4), Network(), window=8, divisor=4)
    with pytest.raises(ModelError, match=r"gives \(1, 1, 2, 2\) for images \(1, 3, 4, 4\)"):
        segment(image(4, 4), lambda images: images[:, :1, ::2, ::2], window=8, divisor=4)


def test_windows_may_have_two_sides() -> None:
    seen: list[tuple[int, ...]] = []

    def run(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        seen.append(windows.shape[2:])
        return windows[:, :1]

    image = np.random.default_rng(0).random((1, 20, 50), np.float32)
    assert np.allclose(segment(image, run, window=(8, 64), divisor=4), image, atol=1e-6)
    assert set(seen) == {(8, 52)}
