"""Logits of a linear classifier that was trained with rare classes evened out, given the true shares again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ttl.data.decoded import Images
from ttl.data.kind import KINDS, Kind
from ttl.data.task import Labels
from ttl.stats.recalibration import probable

N = 20_000
CPU = torch.device("cpu")


def drawn(kind: Kind, seed: int) -> tuple[torch.Tensor, Labels]:
    """Features `(N, 2)` and labels: a class of 10 %, or two labels of 10 % and 30 % that know nothing of each other."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((N, 2))
    labels = (rng.random((N, 2)) < [0.1, 0.3]).astype(np.int64)
    features += labels if kind == "multilabel" else labels[:, :1]
    return torch.from_numpy(features), labels if kind == "multilabel" else labels[:, 0]


def trained(kind: Kind, features: torch.Tensor, labels: Labels, balance: str) -> torch.nn.Linear:
    objective = kind.objective(split_of(labels), loss=None, balance=balance, outputs=2, device=CPU)
    chosen = torch.arange(N)
    if objective.draws is not None:
        chosen = torch.from_numpy(np.random.default_rng(0).choice(N, N, p=objective.draws))
    targets = torch.from_numpy(labels)[chosen]
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = objective.loss.loss(layer(features[chosen].float()), targets, targets)
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return layer


def split_of(labels: Labels) -> Images:
    return Images(torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8), labels)


@pytest.mark.parametrize("balance", ["loss", "sampler"])
@pytest.mark.parametrize("name", ["binary", "multilabel"])
def test_probabilities_have_the_true_shares_after_the_shift(name: str, balance: str) -> None:
    kind = KINDS[name]
    features, labels = drawn(kind, seed=0)
    layer = trained(kind, features, labels, balance)
    shift = kind.prior_shift(split_of(labels), loss=None, balance=balance, outputs=2)
    fresh, truth = drawn(kind, seed=1)
    with torch.no_grad():
        logits = layer(fresh.float()).double().numpy()
    activation = kind.activation(2)
    shares = truth.mean(axis=0) if name == "multilabel" else np.array([1 - truth.mean(), truth.mean()])
    rare = 0 if name == "multilabel" else 1
    assert probable(logits + shift, activation).mean(axis=0) == pytest.approx(shares, abs=0.01)
    assert probable(logits, activation).mean(axis=0)[rare] > shares[rare] + 0.1


def test_nothing_is_shifted_where_nothing_was_evened_out() -> None:
    for name in ("binary", "multilabel"):
        _, labels = drawn(KINDS[name], seed=0)
        assert not KINDS[name].prior_shift(split_of(labels), loss=None, balance="none", outputs=2).any()
