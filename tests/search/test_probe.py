from __future__ import annotations

from math import isnan

import numpy as np
import numpy.typing as npt
import pytest

from ttl.data.kind import KINDS
from ttl.search.evidence.curve import Look
from ttl.search.evidence.probe import _folds, probe_curve
from ttl.search.evidence.samples import FeatureSamples
from ttl.search.linear_probe import REGULARISATION, classifier, linear_probe

Labels = npt.NDArray[np.int64]


def separable(n: int, gap: float, seed: int = 0) -> tuple[npt.NDArray[np.float32], Labels]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    features = rng.standard_normal((n, 20)).astype(np.float32)
    features[:, 0] += gap * labels
    return features, labels


def looks(kind: str, labels: Labels, classes: int = 2, **features: npt.NDArray[np.float32]) -> dict[str, Look]:
    samples = FeatureSamples(labels, None, features, {name: (name,) for name in features})
    curve = probe_curve(samples, KINDS[kind], classes, seed=0)
    assert (curve.evidence, curve.metric, curve.paired) == ("probe", KINDS[kind].primary, False)
    return {look.cut: look for look in curve.looks}


def test_the_score_follows_the_gap() -> None:
    features = {f"gap{gap:g}": separable(200, gap)[0] for gap in (0.0, 1.0, 4.0)}
    found = looks("binary", separable(200, 0.0)[1], **features)
    assert list(found) == list(features)
    low, middle, high = (look.mean for look in found.values())
    assert low < 0.7 < middle < high
    assert high > 0.99
    assert all(0 <= look.se < 0.1 for look in found.values())


def test_features_of_several_maps_stand_side_by_side() -> None:
    features, labels = separable(40, 4.0)
    halves = {"a": features[:, 10:], "b": features[:, :10]}
    samples = FeatureSamples(labels, None, halves, {"both": ("a", "b"), "one": ("a",)})
    np.testing.assert_array_equal(samples.at("both"), np.concatenate([halves["a"], halves["b"]], axis=1))
    both, one = probe_curve(samples, KINDS["binary"], 2, seed=0).looks
    assert both.mean > one.mean


def test_several_labels_with_gaps_and_a_class_that_is_missing() -> None:
    features, labels = separable(200, 4.0)
    several = np.stack([labels, np.where(np.arange(200) % 3 == 0, -1, 1 - labels)], axis=1)
    assert looks("multilabel", several, stem=features)["stem"].mean > 0.98
    three = np.where(np.arange(200) == 199, 2, labels)  # one sample: there is nothing to learn it from, or to score
    with pytest.warns(UserWarning, match="least populated class"):
        assert looks("multiclass", three, 3, stem=features)["stem"].mean > 0.3
    assert isnan(looks("binary", np.zeros_like(labels), stem=features)["stem"].mean)


def test_folds_keep_patients_whole_and_fit_the_rarest_class() -> None:
    labels = np.array([0] * 40 + [1] * 3)
    assert len(list(_folds(labels, None, 0))) == 3
    groups = tuple(str(n // 4) for n in range(60))
    for learn, test in _folds(np.arange(60) % 2, groups, 0):
        assert not {groups[i] for i in learn} & {groups[i] for i in test}
    several = np.array([[1, 0], [0, 1], [0, 0], [1, 1]] * 10)
    assert sum(len(test) for _, test in _folds(several, None, 0)) == 40


@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_probe_as_a_layer_gives_what_the_classifier_gives(classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % classes
    features = (rng.standard_normal((90, 6)) * 5 + 3 + 4 * (labels[:, None] == np.arange(6))).astype(np.float32)
    fitted = linear_probe(features, labels, classes)
    assert fitted is not None
    weight, bias = fitted
    logits = features @ weight.T + bias
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = classifier(REGULARISATION).fit(features.astype(np.float64), labels).predict_proba(features)
    np.testing.assert_allclose(shares, expected, atol=1e-4)


def test_a_linear_probe_of_several_labels_is_one_a_column() -> None:
    features, first = separable(80, 2.0)
    labels = np.stack([first, 1 - first], 1)
    labels[:5, 0] = -1
    fitted = linear_probe(features, labels, 2)
    assert fitted is not None
    shares = 1 / (1 + np.exp(-(features @ fitted[0].T + fitted[1])))
    for column, truth in enumerate(labels.T):
        model = classifier(REGULARISATION).fit(features[truth >= 0].astype(np.float64), truth[truth >= 0])
        np.testing.assert_allclose(shares[:, column], model.predict_proba(features)[:, 1], atol=1e-4)


def test_where_a_class_is_absent_there_is_no_linear_probe() -> None:
    features, labels = separable(20, 1.0)
    assert linear_probe(features, np.zeros_like(labels), 2) is None
    assert linear_probe(features, labels, 3) is None
    assert linear_probe(features, np.stack([labels, np.zeros_like(labels)], 1), 2) is None
