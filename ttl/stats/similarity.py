"""How alike two sets of features are: CCA and SVCCA, correlations in [0, 1], in float64 on the features' device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ttl.errors import UsageError

SAMPLES_PER_DIMENSION = 10
"""With fewer, canonical correlations say more about the number of samples than about the features."""
RELATIVE_RANK = 1e-10
"""Eigenvalues below this share of the largest are rounding: no direction of the data."""


@dataclass(frozen=True)
class Correlations:
    """Canonical correlations of pairs of feature sets, one pair a batch entry."""

    coefficients: Tensor  # `(..., k)` float64, descending; 0 beyond the rank
    rank: Tensor  # `(...)` int64: how many directions both sets have
    dropped: Tensor  # `(2, ...)` int64: constant channels left out, of the first and the second set

    @property
    def mean(self) -> Tensor:
        """`(...)`: the mean correlation, over the directions that both sets have; nan where there are none."""
        return self.coefficients.sum(-1) / self.rank


def cca(x: Tensor, y: Tensor) -> Correlations:
    """Canonical correlations (Hotelling 1936), which no invertible linear map changes; see `svcca`."""
    return svcca(x, y, keep=1.0)


def svcca(x: Tensor, y: Tensor, *, keep: float = 0.99) -> Correlations:
    """CCA between the leading principal directions of both sets (Raghu et al., NeurIPS 2017, section 2.1).

    Args:
        x: `(..., n_samples, d_x)` of any float type; leading dimensions are a batch.
        y: `(..., n_samples, d_y)`, of the same samples.
        keep: share of the variance of each set that the directions kept explain, in (0, 1].

    Raises:
        UsageError: the shapes don't match, values aren't finite, `keep` is no share, or there are fewer than 10
            samples a dimension.
    """
    if not 0 < keep <= 1:
        raise UsageError(f"keep is {keep}: give the share of the variance to keep, above 0 and at most 1")
    x, y = _checked(x, y)
    x, y = x - x.mean(-2, keepdim=True), y - y.mean(-2, keepdim=True)
    whiten_x, rank_x, dead_x = _whitening(x, keep)
    whiten_y, rank_y, dead_y = _whitening(y, keep)
    cross = whiten_x.mT @ (x.mT @ y / (x.shape[-2] - 1)) @ whiten_y
    coefficients = torch.linalg.svdvals(cross).clamp(max=1.0)
    return Correlations(coefficients, torch.minimum(rank_x, rank_y), torch.stack([dead_x, dead_y]))


def _whitening(centred: Tensor, keep: float) -> tuple[Tensor, Tensor, Tensor]:
    """`(..., d, d)` that whitens the kept directions (by a d x d eigen-decomposition) and drops others; rank; dead."""
    n = centred.shape[-2]
    covariance = centred.mT @ centred / (n - 1)
    deviations = covariance.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt()
    dead = deviations <= deviations.amax(-1, keepdim=True) * math.sqrt(RELATIVE_RANK)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(-1).clamp(min=0), vectors.flip(-1)
    total = values.sum(-1, keepdim=True)
    explained_before = (values.cumsum(-1) - values) / total.clamp(min=torch.finfo(values.dtype).tiny)
    kept = (explained_before < keep) & (values > values[..., :1] * RELATIVE_RANK)
    scales = torch.where(kept, values.clamp(min=torch.finfo(values.dtype).tiny).rsqrt(), 0.0)
    return vectors * scales[..., None, :], kept.sum(-1), dead.sum(-1)


def draws(
    before: Tensor, after: Tensor, *, patches: int, channels: int, n_draws: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Feature maps of one point in two networks, subsampled so that points of all sizes compare at one size.

    As Raghu et al. (Transfusion, NeurIPS 2019, appendix C): of the n * h * w positions `patches` are drawn, of the
    channels `channels`, the same in both networks; and again for each draw.

    Args:
        before: `(n, c, h, w)`; so is `after`, of the same images.
        patches: positions a draw.
        channels: of a draw; all where the map has fewer.
        generator: on the CPU.

    Returns:
        two tensors `(n_draws, patches, at most channels)`.

    Raises:
        UsageError: the shapes differ, or there are fewer positions than patches.
    """
    if before.shape != after.shape:
        raise UsageError(f"Feature maps of {tuple(before.shape)} and {tuple(after.shape)} can't be compared by place")
    n, c, h, w = before.shape
    if n * h * w < patches:
        raise UsageError(f"{n} images of {h} x {w} have {n * h * w} places, and {patches} are wanted: use more images")
    first, second = [], []
    for _ in range(n_draws):
        place = torch.randperm(n * h * w, generator=generator)[:patches]
        image, rest = place // (h * w), place % (h * w)
        chosen = torch.randperm(c, generator=generator)[:channels]
        where = (image[:, None], chosen[None], (rest // w)[:, None], (rest % w)[:, None])
        first.append(before[where])
        second.append(after[where])
    return torch.stack(first), torch.stack(second)


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim < 2 or y.ndim < 2 or x.shape[:-1] != y.shape[:-1]:
        raise UsageError(
            f"Features of shapes {tuple(x.shape)} and {tuple(y.shape)} aren't of the same samples: give "
            "(..., n_samples, d_x) and (..., n_samples, d_y)"
        )
    n, widest = x.shape[-2], max(x.shape[-1], y.shape[-1])
    if n < SAMPLES_PER_DIMENSION * widest:
        raise UsageError(
            f"{n} samples are too few for {widest} dimensions, where chance alone correlates: give at least "
            f"{SAMPLES_PER_DIMENSION * widest}, or at most {n // SAMPLES_PER_DIMENSION} dimensions"
        )
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise UsageError("Features hold values that aren't finite: leave those samples out")
    return x.double(), y.double()
