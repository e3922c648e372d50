from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from toy_candidates import cuts
from ttl.data.kind import KINDS
from ttl.data.task import Samples
from ttl.search.candidates import Joint
from ttl.search.evidence.heads import heads_curve

JOINT = Joint("tiny", tuple(cut.point for cut in cuts()))


class Nothing:
    """A source of images that nobody looks at."""


def samples(labels: np.ndarray) -> Samples:
    n = len(labels)
    return Samples(tuple(map(str, range(n))), labels, Nothing(), np.arange(n))  # type: ignore[arg-type]


def test_each_head_has_the_mean_over_the_seeds_and_the_error_of_its_difference_to_the_best() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    noise = (3.0, 1.0, 0.5, 0.1, 0.6)
    rows = []
    for _ in range(2):
        logits = labels[:, None] - 0.5 + rng.standard_normal((80, 5)) * noise
        positive = 1 / (1 + np.exp(-logits))
        rows.append(np.stack([1 - positive, positive], axis=2))
    curve = heads_curve(JOINT, rows, KINDS["binary"], samples(labels), seed=0, start=JOINT)
    assert (curve.evidence, curve.metric, curve.paired, curve.start) == ("joint", "auprc", True, JOINT)
    for head, look in enumerate(curve.looks):
        expected = np.mean([average_precision_score(labels, each[:, head, 1]) for each in rows])
        assert (look.cut, look.mean) == (cuts()[head].name, pytest.approx(expected))
    errors = [look.se for look in curve.looks]
    assert errors[3] == 0  # the best one's, to itself
    assert errors[0] > errors[1] > errors[2] > 0


def test_without_a_class_to_score_there_is_neither() -> None:
    rows = [np.full((6, 5, 2), 0.5)]
    curve = heads_curve(JOINT, rows, KINDS["binary"], samples(np.zeros(6, np.int64)), seed=0, start=None)
    assert all(isnan(look.mean) and isnan(look.se) for look in curve.looks)
