from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

from ttl.errors import UsageError
from ttl.stats.similarity import cca, draws, svcca


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlated(n: int, rhos: list[float], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sets whose true canonical correlations are `rhos`."""
    x, noise, rho = normal(n, len(rhos), seed=seed), normal(n, len(rhos), seed=seed + 1), torch.tensor(rhos).double()
    return x, rho * x + (1 - rho**2).sqrt() * noise


def test_identical_features_correlate_fully() -> None:
    x = normal(500, 20)
    result = cca(x, x)
    torch.testing.assert_close(result.coefficients, torch.ones(20, dtype=torch.float64))
    assert float(result.mean) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_no_invertible_linear_map_changes_it(seed: int) -> None:
    x, y = correlated(2000, [0.95, 0.7, 0.4, 0.1, 0.02], seed)
    mixed = x @ normal(5, 5, seed=seed + 50) * 1e3 + 7, y @ normal(5, 5, seed=seed + 90) * 1e-4 - 2
    torch.testing.assert_close(cca(*mixed).coefficients, cca(x, y).coefficients, rtol=0, atol=1e-8)


def test_it_finds_the_correlations_of_gaussians() -> None:
    rhos = [0.95, 0.8, 0.6, 0.3]
    result = cca(*correlated(200_000, rhos)).coefficients
    assert result.tolist() == pytest.approx(rhos, abs=0.005)  # (1 - rho^2) / sqrt(n) is 0.002


def test_it_agrees_with_scikit_learn() -> None:
    x, y = correlated(400, [0.9, 0.6, 0.3], seed=3)
    y = y @ normal(3, 3, seed=8)
    first, second = CCA(n_components=3, scale=False, max_iter=5000, tol=1e-12).fit_transform(x.numpy(), y.numpy())
    theirs = [np.corrcoef(first[:, i], second[:, i])[0, 1] for i in range(3)]
    assert cca(x, y).coefficients.tolist() == pytest.approx(theirs, abs=1e-6)


def test_sets_of_different_sizes() -> None:
    x, y = correlated(1000, [0.9, 0.5])
    wide = torch.cat([y, normal(1000, 6, seed=9)], dim=1)
    result = cca(x, wide)
    assert result.coefficients.shape == (2,)
    assert int(result.rank) == 2
    torch.testing.assert_close(cca(wide, x).coefficients, result.coefficients)


def test_a_batch_is_what_its_entries_are() -> None:
    pairs = [correlated(300, [0.9, 0.2, 0.1], seed) for seed in (0, 10, 20, 30)]
    x, y = (torch.stack(side).reshape(2, 2, 300, 3) for side in zip(*pairs, strict=True))
    batched = svcca(x, y, keep=0.9)
    for number, (one, other) in enumerate(pairs):
        alone = svcca(one, other, keep=0.9)
        place = (number // 2, number % 2)
        torch.testing.assert_close(batched.coefficients[place], alone.coefficients)
        assert batched.rank[place] == alone.rank


def test_constant_and_repeated_channels_are_left_out_and_the_dead_are_counted() -> None:
    x, y = correlated(500, [0.9, 0.5])
    padded = torch.cat([x, torch.zeros(500, 2), torch.full((500, 1), 3.0), x[:, :1] * 2], dim=1)
    result = cca(padded, y)
    assert result.dropped.tolist() == [3, 0]
    assert int(result.rank) == 2
    torch.testing.assert_close(result.coefficients[:2], cca(x, y).coefficients)
    assert float(result.mean) == pytest.approx(float(cca(x, y).mean))


def test_features_that_never_change_have_no_correlation() -> None:
    result = cca(torch.ones(100, 3), normal(100, 3))
    assert int(result.rank) == 0
    assert torch.isnan(result.mean)
    assert result.dropped.tolist() == [3, 0]


def test_svcca_leaves_out_directions_that_hardly_vary() -> None:
    x, _ = correlated(1000, [0.5, 0.5, 0.5])
    x = x * torch.tensor([10.0, 5.0, 0.1])
    result = svcca(x, x, keep=0.99)
    assert int(result.rank) == 2
    assert float(result.mean) == pytest.approx(1)
    assert int(cca(x, x).rank) == 3


def test_half_precision_features_are_computed_in_double() -> None:
    x, y = correlated(500, [0.9, 0.5])
    assert cca(x.half(), y.half()).coefficients.dtype == torch.float64


def test_independent_features_have_the_mean_that_chance_gives() -> None:
    # By the limiting distribution of Wachter (1980) it is 0.094 for 50 dimensions at 4096 samples, 0.191 at 1000.
    for n, expected in ((4096, 0.094), (1000, 0.191)):
        result = cca(normal(4, n, 50), normal(4, n, 50, seed=1))
        assert float(result.mean.mean()) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (
            normal(99, 10),
            normal(99, 4),
            "99 samples are too few for 10 dimensions.*at least 100, or at most 9",
        ),
        (normal(100, 3), normal(90, 3), r"\(100, 3\) and \(90, 3\) aren't of the same samples"),
        (normal(100, 3), normal(100, 3) / 0, "aren't finite"),
        (normal(5), normal(5), "aren't of the same samples"),
    ],
)
def test_what_makes_no_sense_is_refused(x: torch.Tensor, y: torch.Tensor, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        cca(x, y)


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"keep is 1\.5"):
        svcca(normal(100, 3), normal(100, 3), keep=1.5)


def test_draws_take_the_same_places_and_channels_of_both_networks() -> None:
    places = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).double()
    first, second = draws(
        places, places + 1000, patches=7, channels=2, n_draws=3, generator=torch.Generator().manual_seed(0)
    )
    assert first.shape == second.shape == (3, 7, 2)
    assert torch.equal(second - first, torch.full_like(first, 1000))
    channel = (first % 60 // 20).long()
    assert (channel == channel[:, :1]).all()  # a column is one channel
    position = first.long() // 60 * 20 + first.long() % 20
    assert (position == position[..., :1]).all()  # a row is one position
    assert all(len(set(draw[:, 0].tolist())) == 7 for draw in position)
    assert not torch.equal(first[0], first[1])


def test_draws_take_all_channels_where_there_are_few() -> None:
    maps = normal(2, 3, 4, 4)
    first, _ = draws(maps, maps, patches=32, channels=8, n_draws=1, generator=torch.Generator())
    assert first.shape == (1, 32, 3)
    with pytest.raises(UsageError, match=r"2 images of 4 x 4 have 32 places, and 33 are wanted: use more images"):
        draws(maps, maps, patches=33, channels=8, n_draws=1, generator=torch.Generator())
    with pytest.raises(UsageError, match="can't be compared by place"):
        draws(maps, maps[:1], patches=3, channels=8, n_draws=1, generator=torch.Generator())
