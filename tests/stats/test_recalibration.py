"""Temperatures, and scales and shifts of labels, on data whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from ttl.errors import DataError, UsageError
from ttl.stats import recalibration
from ttl.stats.recalibration import Recalibration, fit
from ttl.typed import from_json, to_json


def classed(n: int, classes: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right once they are divided by the temperature, and labels drawn by that."""
    rng = np.random.default_rng(seed)
    true = 2 * rng.normal(size=(n, classes))
    labels = (softmax(true, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return temperature * true, labels


def labelled(n: int, scale: list[float], shift: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right as `scale * z + shift`, and labels drawn by that."""
    rng = np.random.default_rng(seed)
    true = 2 * rng.normal(size=(n, len(scale)))
    return (true - shift) / scale, (rng.random(true.shape) < expit(true)).astype(int)


@pytest.mark.parametrize(("classes", "temperature"), [(2, 0.01), (2, 2.5), (5, 0.3), (5, 3.0)])
def test_a_known_temperature_is_found(classes: int, temperature: float) -> None:
    logits, labels = classed(4000, classes, temperature)
    found = fit(logits, labels, activation="softmax")
    assert found.method == "temperature"
    assert found.temperature == pytest.approx(temperature, rel=0.07)
    assert found.log_loss_after < found.log_loss_before
    assert (found.apply(logits).argmax(axis=1) == logits.argmax(axis=1)).all()
    assert f"temperature of {found.temperature:.3g}" in found.words()


def test_known_scales_and_shifts_are_found_label_by_label() -> None:
    logits, labels = labelled(6000, [0.5, 3.0], [1.0, -2.0])
    found = fit(logits, labels, activation="sigmoid")
    assert found.method == "scale and shift"
    assert found.scale == pytest.approx((0.5, 3.0), rel=0.1)
    assert found.shift == pytest.approx((1.0, -2.0), abs=0.2)
    assert "2 of 2 labels were scaled and shifted" in found.words()


def test_right_logits_are_left_alone_and_the_sentence_says_why() -> None:
    alone = [fit(*classed(300, 3, 1.0, seed), activation="softmax").method == "none" for seed in range(20)]
    assert np.mean(alone) >= 0.75
    logits, labels = classed(300, 3, 1.0, int(np.flatnonzero(alone)[0]))
    found = fit(logits, labels, activation="softmax")
    assert found.scale == (1.0,) * 3
    assert found.shift == (0.0,) * 3
    assert not found.log_loss_before - found.log_loss_after > found.gain_error
    assert found.words().startswith("The logits were left as they are: on 300 validation images")
    assert "no gain beyond chance" in found.words()
    assert np.array_equal(found.apply(logits), logits)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_classes_that_are_perfectly_separated_stay_below_certainty(activation: str) -> None:
    labels = np.arange(60) % 2
    margin = np.where(labels == 1, 1.0, -1.0)[:, None] * (1 + np.random.default_rng(0).random((60, 1)))
    if activation == "softmax":
        found = fit(np.hstack([-margin, margin]), labels, activation="softmax")
        highest = softmax(found.apply(np.hstack([-margin, margin])), axis=1).max()
    else:
        found = fit(margin, labels[:, None], activation="sigmoid")
        highest = expit(found.apply(margin)).max()
    assert found.method != "none"
    assert 0.95 < highest < 0.999


def test_unknown_labels_are_left_out_and_labels_of_one_class_keep_their_logits() -> None:
    logits, labels = labelled(1500, [0.4, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0])
    unknown = np.random.default_rng(1).random(1500) < 0.5
    labels[unknown, 0] = -1
    labels[:, 1], labels[:, 2] = 0, -1  # one class only; nothing known
    labels[:, 3] = np.arange(1500) < 9  # too few positives
    moved = logits.copy()
    moved[unknown, 0] = 1e3
    found = fit(moved, labels, activation="sigmoid")
    assert found.scale[0] == pytest.approx(0.4, rel=0.2)
    assert found.shift[0] == pytest.approx(1.0, abs=0.25)
    assert found.scale[1:] == (1.0, 1.0, 1.0)
    assert found.shift[1:] == (0.0, 0.0, 0.0)
    assert "1 of 4 labels" in found.words()


def test_an_image_counts_once_however_many_rows_it_has_and_patients_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    many, labels = classed(4000, 3, 2.0)
    few, others = classed(400, 3, 0.5, seed=1)
    unit = np.concatenate([np.zeros(4000, int) + np.arange(4000) % 5, 5 + np.arange(400) // 4])
    groups = [f"patient {number // 3}" for number in range(105)]
    dealt = []
    original = recalibration._folds
    monkeypatch.setattr(recalibration, "_folds", lambda *given: dealt.append(original(*given)) or dealt[-1])
    rows, truth = np.vstack([many, few]), np.append(labels, others)
    found = fit(rows, truth, activation="softmax", units=unit, groups=groups, seed=3)
    assert found.units == 105
    assert found.temperature == pytest.approx(0.55, rel=0.3)
    assert fit(rows, truth, activation="softmax").temperature > 1.5
    folds = {patient: {int(dealt[0][i]) for i in range(105) if groups[i] == patient} for patient in groups}
    assert all(len(held) == 1 for held in folds.values())
    assert set.union(*folds.values()) == set(range(5))


def test_the_gain_of_patients_with_many_images_alike_is_less_certain() -> None:
    logits, labels = classed(60, 2, 1.6, seed=4)
    copies = np.repeat(np.arange(60), 8)
    alone = fit(logits[copies], labels[copies], activation="softmax")
    whole = fit(logits[copies], labels[copies], activation="softmax", groups=[f"p{i}" for i in copies])
    assert whole.gain_error > 2 * alone.gain_error


def test_the_prior_shift_comes_first_and_stays_where_nothing_else_helps() -> None:
    logits, labels = classed(3000, 2, 1.0)
    prior = np.array([1.5, -1.5])
    found = fit(logits - prior, labels, activation="softmax", prior_shift=prior)
    assert found.prior_shift == (1.5, -1.5)
    assert found.log_loss_before == pytest.approx(fit(logits, labels, activation="softmax").log_loss_before)
    assert found.apply(logits - prior) == pytest.approx(found.scale[0] * logits)
    tempered = fit(3 * logits - prior, labels, activation="softmax", prior_shift=prior)
    assert tempered.apply(3 * logits - prior) == pytest.approx(logits, rel=0.1)
    assert tempered.words().startswith("After the shift for the class shares evened out in training, the logits were")


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_undone_gives_the_probabilities_that_were_there_before(activation: str) -> None:
    raw = 2 * np.random.default_rng(0).normal(size=(50, 4, 3))
    scale = (0.4, 0.4, 0.4) if activation == "softmax" else (0.4, 2.5, 1.0)
    made = Recalibration("temperature", scale, (0.5, -1.0, 0.2), (0.0,) * 3, 50, 1.0, 0.9, 0.01, 1.1)
    to = {"softmax": lambda z: softmax(z, axis=-1), "sigmoid": expit}[activation]
    assert np.abs(made.undone(to(made.apply(raw)), activation) - to(raw)).max() < 1e-9
    assert np.isfinite(made.undone(np.array([[0.0, 1.0, 0.0]]), activation)).all()


def test_a_constant_guess_has_the_loss_of_the_class_shares() -> None:
    labels = np.repeat([0, 1], [75, 25])
    shares = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    assert fit(np.zeros((100, 2)), labels, activation="softmax").constant_log_loss == pytest.approx(shares)
    both = np.stack([labels, np.where(np.arange(100) % 2, -1, labels)], axis=1)
    found = fit(np.zeros((100, 2)), both, activation="sigmoid")
    assert found.log_loss_before == pytest.approx(np.log(2))
    assert found.constant_log_loss == pytest.approx(shares, abs=0.01)
    assert found.method == "none"


def test_the_difference_from_a_constant_guess_has_its_standard_error_over_patients() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    logits = (np.where(labels == 1, 0.4, -0.4) + rng.normal(size=60))[:, None] * [[-0.5, 0.5]]
    of_image = np.logaddexp(0, np.where(labels == 1, -1, 1) * (logits[:, 1] - logits[:, 0]))
    one_each = fit(logits, labels, activation="softmax")
    assert one_each.method == "none"
    assert one_each.learned_log_loss == pytest.approx(of_image.mean())
    gains = np.log(2) - of_image
    assert one_each.constant_error == pytest.approx(gains.std(ddof=1) / np.sqrt(60))
    patients = fit(logits, labels, activation="softmax", groups=[str(i // 6) for i in range(60)])
    sums = (gains - gains.mean()).reshape(10, 6).sum(axis=1)
    assert patients.constant_error == pytest.approx(np.sqrt(10 / 9 * (sums**2).sum()) / 60)


def test_of_recalibrated_logits_the_error_is_that_of_the_cross_validated_loss() -> None:
    logits, labels = classed(400, 2, 0.3)
    found = fit(logits, labels, activation="softmax")
    assert found.method == "temperature"
    assert found.learned_log_loss == pytest.approx(found.log_loss_after)
    changed = found.apply(logits)
    gains = np.log(2) - np.logaddexp(0, np.where(labels == 1, -1, 1) * (changed[:, 1] - changed[:, 0]))
    assert found.constant_error == pytest.approx(gains.std(ddof=1) / 20, rel=0.15)


def test_logits_that_rank_well_and_are_too_sure_have_learned_something() -> None:
    labels = np.arange(40) % 2
    margin = np.where(labels == 1, 6, -6) * np.random.default_rng(0).uniform(0.8, 1.2, 40)
    margin[:2] *= -2  # two are wrong, and badly
    found = fit(np.stack([-margin, margin], axis=1) / 2, labels, activation="softmax")
    assert found.method == "none"  # on so few images its gain is within chance
    losses = np.logaddexp(0, np.where(labels == 1, -1, 1) * margin)
    assert np.log(2) - losses.mean() < losses.std(ddof=1) / np.sqrt(40)
    assert found.learned_log_loss == pytest.approx(found.log_loss_after)
    assert found.constant_log_loss - found.learned_log_loss > 1.5 * found.constant_error


def test_logits_that_rank_backwards_are_left_alone() -> None:
    logits, labels = classed(500, 2, 1.0)
    assert fit(-logits, labels, activation="softmax").method == "none"
    logits, labels = labelled(500, [1.0], [0.0])
    assert fit(-logits, labels, activation="sigmoid").method == "none"


def test_too_few_images_give_none() -> None:
    found = fit(*classed(4, 2, 5.0), activation="softmax")
    assert found.method == "none"
    assert "4 validation images are too few" in found.words()
    assert np.isnan(found.constant_error)
    assert from_json(Recalibration, to_json(found), where="here").units == 4


def test_one_seed_gives_one_result() -> None:
    logits, labels = classed(200, 3, 2.0)
    found = fit(logits, labels, activation="softmax", seed=1)
    assert found == fit(logits, labels, activation="softmax", seed=1)
    other = fit(logits, labels, activation="softmax", seed=2)
    assert other.log_loss_after != found.log_loss_after
    names = "log_loss_after", "gain_error", "learned_log_loss", "constant_error"
    folded = {name: getattr(other, name) for name in names}
    assert other == replace(found, **folded)


def test_what_does_not_fit_is_refused() -> None:
    logits, labels = classed(20, 3, 1.0)
    with pytest.raises(UsageError, match="don't fit sigmoid"):
        fit(logits, labels, activation="sigmoid")
    with pytest.raises(UsageError, match="prior shift"):
        fit(logits, labels, activation="softmax", prior_shift=[1.0])
    with pytest.raises(UsageError, match="2 groups for 20 images"):
        fit(logits, labels, activation="softmax", groups=["a", "b"])
    with pytest.raises(DataError, match="not finite"):
        fit(logits * np.nan, labels, activation="softmax")
    with pytest.raises(DataError, match="labels go from"):
        fit(logits, labels + 1, activation="softmax")
