from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttl.config import RunConfig
from ttl.errors import UsageError
from ttl.pipeline import Event, Note, plan, run, search
from ttl.pipeline.probing import _folds, _score


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
    monkeypatch.setattr("ttl.pipeline.probing.Features", None)
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
