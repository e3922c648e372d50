"""What the joint network's heads say of the candidates once it is fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from statistics import fmean

import numpy as np

from ttl.data import Kind
from ttl.data.kind import Rows
from ttl.data.task import Samples
from ttl.search.candidates import Joint
from ttl.search.evidence.curve import Curve, Look
from ttl.stats import metrics, paired_error


def heads_curve(
    joint: Joint, rows: Sequence[Rows], kind: Kind, samples: Samples, *, seed: int, start: Joint | None
) -> Curve:
    """What the heads of the joint networks, one a seed, say of their points, one a head, lowest first.

    It is the mean validation score over the seeds, and the standard error of its difference to the best head's, both
    scored on the same images (jackknife; the mean over the seeds).

    Args:
        rows: of each joint network: its predictions for the validation images.
        samples: the validation images.
        start: what a candidate can go on from; None where it can't.
    """
    metric, labels = kind.primary, samples.labels
    by_seed = [kind.by_head(np.asarray(each, np.float64)) for each in rows]

    def error(head: int) -> float:
        return fmean(
            paired_error(metric, kind, labels, heads[head], heads[best], groups=samples.groups, seed=seed)
            for heads in by_seed
        )

    scores = [
        fmean(metrics(kind, labels, heads[head], (metric,))[metric] for heads in by_seed)
        for head in range(len(joint.points))
    ]
    scored = [head for head, value in enumerate(scores) if not isnan(value)]
    best = max(scored, key=scores.__getitem__, default=0)
    looks = (
        Look(point.name, scores[head], error(head) if head in scored else nan)
        for head, point in enumerate(joint.points)
    )
    return Curve("joint", metric, tuple(looks), paired=True, start=start)
