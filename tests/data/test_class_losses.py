"""What classifiers are trained towards, and what evens out rare classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from ttl.data.decoded import Images
from ttl.data.kind import KINDS, Objective
from ttl.data.kind.balance import class_weights, draws_of_classes, draws_of_labels, positive_weights
from ttl.data.kind.class_losses import ClassLoss, LabelLoss

LOGITS = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5], [0.3, 0.3, 0.3], [-2.0, 0.0, 1.0]])
ONE = torch.tensor([0, 1, 2, 2])
MANY = torch.tensor([[1, 0, -1], [0, 1, 1], [-1, -1, -1], [1, 0, 0]])
UNEVEN = np.array([0] * 6 + [1] * 3 + [2])


def objective(kind: str, labels: np.ndarray, balance: str) -> Objective:
    split = Images(torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8), labels)
    return KINDS[kind].objective(split, loss=None, balance=balance, outputs=3, device=torch.device("cpu"))


def test_one_class_of_several_is_cross_entropy() -> None:
    assert torch.equal(ClassLoss().loss(LOGITS, ONE), F.cross_entropy(LOGITS, ONE))
    assert torch.allclose(KINDS["multiclass"].probabilities(LOGITS).sum(1), torch.ones(4, dtype=torch.float64))


def test_missing_labels_count_nothing() -> None:
    known = MANY >= 0
    by_hand = F.binary_cross_entropy_with_logits(LOGITS[known], MANY[known].float())
    assert torch.allclose(LabelLoss().loss(LOGITS, MANY), by_hand)
    changed = LOGITS.clone()
    changed[~known] += 100
    assert torch.equal(LabelLoss().loss(changed, MANY), LabelLoss().loss(LOGITS, MANY))


def test_a_batch_without_a_known_label_costs_nothing_and_gives_no_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = LabelLoss().loss(logits, torch.full_like(MANY, -1))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize(("loss", "labels"), [(ClassLoss(), ONE), (LabelLoss(), MANY)])
def test_parts_add_up_to_the_batch_and_heads_have_their_mean(loss: ClassLoss | LabelLoss, labels: torch.Tensor) -> None:
    whole = loss.loss(LOGITS, labels)
    parts = [loss.loss(LOGITS[i : i + 2], labels[i : i + 2], labels) for i in (0, 2)]
    torch.testing.assert_close(sum(parts), whole)
    both = torch.stack([LOGITS, -LOGITS], 1)
    torch.testing.assert_close(loss.loss(both, labels), (whole + loss.loss(-LOGITS, labels)) / 2)


def test_each_class_by_itself_is_a_sigmoid() -> None:
    assert torch.equal(KINDS["multilabel"].probabilities(LOGITS), LOGITS.double().sigmoid())


def test_the_log_loss_is_the_loss_of_the_probabilities() -> None:
    one, many = KINDS["multiclass"], KINDS["multilabel"]
    probabilities = one.probabilities(LOGITS).numpy()
    assert one.log_loss(ONE.numpy(), probabilities) == pytest.approx(log_loss(ONE.numpy(), probabilities))
    expected = float(LabelLoss().loss(LOGITS.double(), MANY))
    assert many.log_loss(MANY.numpy(), many.probabilities(LOGITS).numpy()) == pytest.approx(expected)
    assert np.isnan(many.log_loss(np.full((2, 3), -1), np.full((2, 3), 0.5)))


def test_balanced_weights_are_scikit_learns() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=UNEVEN)
    assert class_weights(UNEVEN, 3) == pytest.approx(expected)
    assert class_weights(UNEVEN, 4)[3] == 1
    assert positive_weights(MANY.numpy()) == pytest.approx([0.5, 2, 1])


def test_every_class_is_drawn_alike() -> None:
    shares = draws_of_classes(UNEVEN, 3)
    assert [shares[c == UNEVEN].sum() for c in range(3)] == pytest.approx([1 / 3] * 3)
    many = draws_of_labels(np.array([[1, 0], [1, 0], [1, 1], [0, 0]]))
    assert many.sum() == pytest.approx(1)
    assert many[2] > many[0]  # it has the rarer class


@pytest.mark.parametrize(("kind", "labels"), [("multiclass", UNEVEN), ("multilabel", MANY.numpy())])
def test_classes_are_evened_out_in_the_loss_or_by_the_sampler_or_not(kind: str, labels: np.ndarray) -> None:
    plain, weighted, drawn = (objective(kind, labels, balance) for balance in ("none", "loss", "sampler"))
    assert (plain.loss.weights, plain.draws, weighted.draws, drawn.loss.weights) == (None, None, None, None)
    by_loss, by_draws = {
        "multiclass": (class_weights(UNEVEN, 3), draws_of_classes(UNEVEN, 3)),
        "multilabel": (positive_weights(MANY.numpy()), draws_of_labels(MANY.numpy())),
    }[kind]
    assert weighted.loss.weights.tolist() == pytest.approx(by_loss.tolist())
    assert drawn.draws.tolist() == by_draws.tolist()
