"""What a number of images can show."""

from __future__ import annotations

import numpy as np
import pytest

from ttl.errors import UsageError
from ttl.stats import non_inferior, power
from ttl.stats import sample_size as module
from ttl.stats.sample_size import Endpoint


def test_the_chance_is_the_share_of_simulated_sets_in_which_the_claim_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.arange(400) % 2
    said = power("binary", labels, margin=0.02).chance
    monkeypatch.setattr(module, "SIMULATED", 400)
    random = np.random.default_rng(3)
    monkeypatch.setattr(np.random, "default_rng", lambda seed=0: random)
    sets = [module._two_networks("binary", labels) for _ in range(120)]
    monkeypatch.undo()
    shown = np.mean([non_inferior("auprc", "binary", *each, margin=0.02).shown for each in sets])
    assert 0.2 < said < 0.95
    assert shown == pytest.approx(said, abs=0.13)


def test_the_joint_chance_is_the_share_of_simulated_sets_in_which_both_claims_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.arange(300) % 2
    said = power("binary", labels, margin=0.02, margin_decision=0.05, endpoint="sensitivity").chance
    monkeypatch.setattr(module, "SIMULATED", 300)
    random = np.random.default_rng(3)
    monkeypatch.setattr(np.random, "default_rng", lambda seed=0: random)
    sets = [module._two_networks("binary", labels) for _ in range(120)]
    monkeypatch.undo()
    shown = []
    for truth, a, b in sets:
        kind, answers, decisions = module._decided("binary", truth, a, b, "sensitivity", ())
        decided = non_inferior("sensitivity", kind, answers, *decisions, margin=0.05).shown
        shown.append(decided and non_inferior("auprc", "binary", truth, a, b, margin=0.02).shown)
    assert 0.2 < said < 0.5
    assert np.mean(shown) == pytest.approx(said, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("binary", "balanced_accuracy"),
        ("binary", "cost"),
        ("multiclass", "specificity"),
        ("multilabel", "sensitivity"),
    ],
)
def test_both_claims_are_harder_than_one_and_need_more_images(kind: str, endpoint: Endpoint) -> None:
    each = np.arange(120)
    labels = {"binary": each % 2, "multiclass": each % 3}.get(kind, np.stack([each % 2, each % 3 == 0], axis=1))
    finding = (1, 2) if kind == "multiclass" else ()
    alone = power(kind, labels, margin=0.05)
    both = power(kind, labels, margin=0.05, margin_decision=0.05, endpoint=endpoint, finding=finding)
    assert 0 < both.chance < alone.chance
    assert both.needed >= alone.needed
    wide = power(kind, labels, margin=0.05, margin_decision=0.9, endpoint=endpoint, finding=finding)
    assert both.chance < wide.chance <= alone.chance + 0.001


def test_masks_have_one_claim_and_classes_without_a_finding_have_no_sensitivity() -> None:
    masks = np.ones((50, 2), int)
    assert power("segmentation", masks, margin=0.02, margin_decision=0.05) == power("segmentation", masks, margin=0.02)
    with pytest.raises(UsageError, match="sensitivity of more than two classes needs a finding"):
        power("multiclass", np.arange(50) % 3, margin=0.02, margin_decision=0.05, endpoint="sensitivity")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "segmentation"])
def test_more_images_show_more_and_what_is_needed_is_enough(kind: str) -> None:
    def labels(n: int) -> np.ndarray:
        each = np.arange(n)
        made = {"binary": each % 2, "multiclass": each % 3, "segmentation": np.ones((n, 2), int)}
        return made.get(kind, np.stack([each % 2, each % 3 == 0], axis=1).astype(int))

    few, many = (power(kind, labels(n), margin=0.02) for n in (60, 6000))
    assert few.chance < many.chance
    assert few.needed == pytest.approx(many.needed, rel=0.1)
    assert power(kind, labels(few.needed), margin=0.02).chance == pytest.approx(0.8, abs=0.03)


def test_images_of_few_patients_show_less() -> None:
    labels = np.arange(300) % 2
    patients = [f"p{i // 30}-{label}" for i, label in enumerate(labels)]
    assert power("binary", labels, margin=0.05, groups=patients).chance < power("binary", labels, margin=0.05).chance


def test_fewer_than_a_claim_needs_show_nothing() -> None:
    found = power("binary", np.arange(12) % 2, margin=0.2)
    assert found.chance == 0
    assert found.needed >= 20


def test_in_words() -> None:
    words = power("binary", np.arange(200) % 2, margin=0.01).words("AUPRC", 0.01)
    assert words.startswith("200 independent test images (patients) have a chance of 1")
    assert (
        "loses less than 0.01 of AUPRC; for 80 % about 2,200 are needed (assumed: both with an AUROC of 0.95" in words
    )
    joint = power("binary", np.arange(200) % 2, margin=0.01, margin_decision=0.05).words("AUPRC", 0.01)
    assert "loses less than 0.01 of AUPRC and 0.05 of balanced accuracy; for 80 % about" in joint
    assert "errors correlated at 0.8, each at its own threshold)" in joint
