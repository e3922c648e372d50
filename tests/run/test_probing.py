from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttl.config import RunConfig
from ttl.errors import UsageError
from ttl.run import Event, Note, plan, run, search
from ttl.run.probing import _folds, _probabilities, _score, linear_probe


def tiny(out: Path, **changes: object) -> RunConfig:
    options = {"data": "digits:0-1", "model": "resnet10t", "weights": "none", "image_size": 32, "epochs": 1}
    return RunConfig.model_validate({**options, "out": out, "strategy": "probe", **changes})


def separable(n: int, gap: float, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    features = rng.standard_normal((n, 20)).astype(np.float32)
    features[:, 0] += gap * labels
    return features, labels


def test_a_run_probes_all_points_and_fine_tunes_two(tmp_path: Path) -> None:
    events: list[Event] = []
    content = run(tiny(tmp_path), deliver=False, watch=events.append).report
    assert [row["cut"] for row in content["probe"]] == [point["name"] for point in content["points"]]
    assert all(0 <= row["mean"] <= 1 and row["se"] >= 0 for row in content["probe"])
    assert content["search"]["fine_tunes"] <= 2
    assert any(isinstance(event, Note) and event.text.startswith("Probing 5 points") for event in events)


def test_what_was_probed_is_not_probed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tiny(tmp_path), deliver=False).report["probe"]
    monkeypatch.setattr("ttl.run.probing.Features", None)
    assert run(tiny(tmp_path), deliver=False).report["probe"] == first
    known = json.loads((tmp_path / "probe.json").read_text())
    assert known["curve"] == first


def test_a_plan_of_a_probe_trains_at_most_two(tmp_path: Path) -> None:
    planned = plan(tiny(tmp_path))
    assert (planned.coarse, planned.most_trials) == ((), 2)


def test_the_score_of_a_fold_follows_the_gap() -> None:
    scores = []
    for gap in (0.0, 1.0, 4.0):
        features, labels = separable(200, gap)
        scores.append(_score("binary", 2, features, labels, np.arange(150), np.arange(150, 200)))
    assert scores[0] < 0.75 < scores[1] < scores[2]
    assert scores[2] > 0.99


def test_several_labels_with_gaps_and_a_class_that_is_missing() -> None:
    features, labels = separable(200, 4.0)
    several = np.stack([labels, np.where(np.arange(200) % 3 == 0, -1, 1 - labels)], axis=1)
    assert _score("multilabel", 2, features, several, np.arange(150), np.arange(150, 200)) > 0.98
    three = np.where(np.arange(200) == 199, 2, labels)  # nothing to learn the third from
    assert _score("multiclass", 3, features, three, np.arange(150), np.arange(150, 200)) > 0.3


def test_folds_keep_patients_whole_and_fit_the_rarest_class() -> None:
    labels = np.array([0] * 40 + [1] * 3)
    assert len(list(_folds(labels, None, 0))) == 3
    groups = tuple(str(n // 4) for n in range(60))
    for learn, test in _folds(np.arange(60) % 2, groups, 0):
        assert not {groups[i] for i in learn} & {groups[i] for i in test}
    several = np.array([[1, 0], [0, 1], [0, 0], [1, 1]] * 10)
    assert sum(len(test) for _, test in _folds(several, None, 0)) == 40


def test_a_search_of_ones_own_has_no_images_to_probe() -> None:
    import timm

    with pytest.raises(UsageError, match="--strategy probe needs the images that a run has"):
        search(None, timm.create_model("resnet10t"), strategy="probe", image_size=32, evaluate=lambda point: 0.5)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_probe_as_a_layer_says_what_the_classifier_says(classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % classes
    features = (rng.standard_normal((90, 6)) * 5 + 3 + 4 * (labels[:, None] == np.arange(6))).astype(np.float32)
    fitted = linear_probe("multiclass" if classes > 2 else "binary", classes, features, labels)
    assert fitted is not None
    weight, bias = fitted
    logits = features @ weight.T + bias
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = _probabilities(features, labels, np.arange(90), np.arange(90), classes)
    np.testing.assert_allclose(shares, expected, atol=1e-4)


def test_a_linear_probe_of_several_labels_is_one_a_column() -> None:
    features, first = separable(80, 2.0)
    labels = np.stack([first, 1 - first], 1)
    labels[:5, 0] = -1
    fitted = linear_probe("multilabel", 2, features, labels)
    assert fitted is not None
    shares = 1 / (1 + np.exp(-(features @ fitted[0].T + fitted[1])))
    for column in range(2):
        known = np.flatnonzero(labels[:, column] >= 0)
        expected = _probabilities(features, labels[:, column], known, np.arange(80), 2)[:, 1]
        np.testing.assert_allclose(shares[:, column], expected, atol=1e-4)


def test_where_a_class_is_absent_there_is_no_linear_probe() -> None:
    features, labels = separable(20, 1.0)
    assert linear_probe("binary", 2, features, np.zeros_like(labels)) is None
    assert linear_probe("multiclass", 3, features, labels) is None
    assert linear_probe("multilabel", 2, features, np.stack([labels, np.zeros_like(labels)], 1)) is None
