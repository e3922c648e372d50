from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F
from ttl.finetune.objective import Objective, balanced_weights, log_loss, sample_weights

LOGITS = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5], [0.3, 0.3, 0.3], [-2.0, 0.0, 1.0]])
MULTI = torch.tensor([[1, 0, -1], [0, 1, 1], [-1, -1, -1], [1, 0, 0]])


def test_one_class_of_several_is_cross_entropy() -> None:
    labels = torch.tensor([0, 1, 2, 2])
    objective = Objective("multiclass")
    assert torch.equal(objective.loss(LOGITS, labels), F.cross_entropy(LOGITS, labels))
    assert torch.allclose(objective.probabilities(LOGITS).sum(1), torch.ones(4, dtype=torch.float64))


def test_missing_labels_count_nothing() -> None:
    objective = Objective("multilabel")
    known = MULTI >= 0
    by_hand = F.binary_cross_entropy_with_logits(LOGITS[known], MULTI[known].float())
    assert torch.allclose(objective.loss(LOGITS, MULTI), by_hand)
    changed = LOGITS.clone()
    changed[~known] += 100
    assert torch.equal(objective.loss(changed, MULTI), objective.loss(LOGITS, MULTI))


def test_a_batch_without_a_known_label_costs_nothing_and_gives_no_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = Objective("multilabel").loss(logits, torch.full_like(MULTI, -1))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_each_class_by_itself_is_a_sigmoid() -> None:
    assert torch.equal(Objective("multilabel").probabilities(LOGITS), LOGITS.double().sigmoid())


def test_the_log_loss_is_the_loss_of_the_probabilities() -> None:
    labels = np.array([0, 1, 2, 2])
    probabilities = Objective("multiclass").probabilities(LOGITS).numpy()
    assert log_loss("multiclass", labels, probabilities) == pytest.approx(sklearn_log_loss(labels, probabilities))
    many = Objective("multilabel")
    expected = float(many.loss(LOGITS.double(), MULTI))
    assert log_loss("multilabel", MULTI.numpy(), many.probabilities(LOGITS).numpy()) == pytest.approx(expected)
    assert np.isnan(log_loss("multilabel", np.full((2, 3), -1), np.full((2, 3), 0.5)))


def test_balanced_weights_are_scikit_learns() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights("multiclass", labels, 3) == pytest.approx(expected)
    assert balanced_weights("multiclass", labels, 4)[3] == 1
    assert balanced_weights("multilabel", MULTI.numpy(), 3) == pytest.approx([0.5, 2, 1])


def test_every_class_is_drawn_alike() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [2])
    shares = sample_weights("multiclass", labels, 3)
    assert [shares[labels == c].sum() for c in range(3)] == pytest.approx([1 / 3] * 3)
    many = sample_weights("multilabel", np.array([[1, 0], [1, 0], [1, 1], [0, 0]]), 2)
    assert many.sum() == pytest.approx(1)
    assert many[2] > many[0]  # it has the rarer class
