"""The probe: one pass of the pretrained network over the training images, then a linear classifier at every point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ttl.cut.points import UNetPoint
from ttl.cut.truncation import Features
from ttl.data.task import MISSING
from ttl.finetune.inference import Normalise
from ttl.run.prepared import Prepared
from ttl.run.sampled import sampled_pixels
from ttl.search.strategies.probe import Probed
from ttl.stats import metrics, overlap, primary
from ttl.study.study import Study, trial_id

FOLDS = 5
REGULARISATION = 0.1
"""C of scikit-learn's logistic regression on standardised features: many channels, few images."""
BATCH = 64
PROBE = "probe.json"
Pooled = npt.NDArray[np.float32]


def probe_curve(prepared: Prepared, study: Study) -> dict[str, Probed]:
    """Probe every candidate, or read what an earlier call found; kept in the run folder."""
    told = {key: value for key, value in prepared.definition().items() if key not in ("recipe", "epochs", "lr")}
    identity = trial_id(told | {"seed": prepared.config.seed, "points": [point.name for point in prepared.candidates]})
    known = study.read(PROBE)
    if known is None or known["identity"] != identity:
        rows = [{"cut": name, **probed.to_json()} for name, probed in _probed(prepared)]
        known = {"identity": identity, "metric": prepared.metric, "folds": FOLDS, "curve": rows}
        study.write(PROBE, known)
    return {row["cut"]: Probed.from_json(row) for row in known["curve"]}


def _probed(prepared: Prepared) -> Iterator[tuple[str, Probed]]:
    """Each candidate with its cross-validated score."""
    kind, classes, seed = prepared.task.kind, len(prepared.task.class_names), prepared.config.seed
    groups: tuple[str, ...] | None
    if prepared.segments:
        pixels = sampled_pixels(prepared, prepared.backbone.model)
        points = [point for point in prepared.candidates if isinstance(point, UNetPoint)]
        labels, groups = pixels.labels, tuple(map(str, pixels.images))
        by_point: Iterable[tuple[str, Pooled]] = ((point.name, pixels.at(point)) for point in points)
    else:
        labels, groups = np.asarray(prepared.task.train.labels), prepared.task.train.groups
        by_point = pooled_features(prepared).items()
    folds = list(_folds(labels, groups, seed))
    for name, features in by_point:
        scores = [_score(kind, classes, features, labels, *fold) for fold in folds]
        defined = [score for score in scores if score == score]
        if len(defined) < 2:
            yield name, Probed(float("nan"), float("nan"))
        else:
            yield name, Probed(float(np.mean(defined)), float(np.std(defined, ddof=1)) / sqrt(len(defined)))


def pooled_features(prepared: Prepared) -> dict[str, Pooled]:
    """Point name -> `(n, channels)` of the training images, unaugmented, from one pass of the network."""
    spec = prepared.backbone.spec
    network = prepared.backbone.model.to(prepared.device)
    pooled = Features(network, list(prepared.candidates))
    normalise = Normalise(spec.mean, spec.std, prepared.device)
    parts = [
        {name: value.float().cpu().numpy() for name, value in pooled(normalise(pixels.to(prepared.device))).items()}
        for pixels in torch.split(prepared.images["train"].pixels, BATCH)
    ]
    network.to("cpu")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _folds(
    labels: npt.NDArray[np.int64], groups: tuple[str, ...] | None, seed: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Positions to learn from and to score on; stratified by class (by the rarest of several), patients whole."""
    strata = labels
    if labels.ndim == 2:
        rarity = np.argsort((labels == 1).sum(0), kind="stable")
        strata = np.full(len(labels), labels.shape[1])
        for column in rarity[::-1]:
            strata[labels[:, column] == 1] = column
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    fewest = int(np.unique(strata, return_counts=True)[1].min())
    n = max(2, min(FOLDS, fewest, FOLDS if groups is None else len(set(groups))))
    yield from kind(n, shuffle=True, random_state=seed).split(strata, strata, groups)


def _score(
    kind: str,
    classes: int,
    features: Pooled,
    labels: npt.NDArray[np.int64],
    learn: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
) -> float:
    """The score on one fold."""
    if kind != "multilabel":
        given = _probabilities(features, labels, learn, test, classes)
    else:
        columns = []
        for column in range(classes):
            known = learn[labels[learn, column] != MISSING]
            columns.append(_probabilities(features, labels[:, column], known, test, 2)[:, 1])
        given = np.stack(columns, axis=1)
    if kind == "segmentation":  # all pixels of the fold as one image
        rows = overlap(labels[test][None], given.T[:, None])[None]
        return metrics(kind, np.ones((1, classes)), rows, ("dice",))["dice"]
    metric = primary(kind)
    return metrics(kind, labels[test], given, (metric,))[metric]


def _probabilities(
    features: Pooled,
    labels: npt.NDArray[np.int64],
    learn: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    classes: int,
) -> npt.NDArray[np.float64]:
    """`(n, classes)` of a regularised logistic regression; a class that wasn't there to learn from gets 0."""
    given = np.zeros((len(test), classes))
    present = np.unique(labels[learn])
    if len(present) < 2:
        given[:, present] = 1.0
        return given
    model = _classifier(REGULARISATION)
    model.fit(features[learn].astype(np.float64), labels[learn])
    given[:, present] = model.predict_proba(features[test].astype(np.float64))
    return given


def _classifier(regularisation: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=500))


def linear_probe(
    kind: str, classes: int, features: Pooled, labels: npt.NDArray[np.int64], regularisation: float = REGULARISATION
) -> tuple[Pooled, Pooled] | None:
    """The probe's classifier as a linear layer: weight `(classes, width)` and bias `(classes,)`.

    Args:
        kind: of the task.
        classes: how many there are.
        features: `(n, width)`.
        labels: of the training images.
        regularisation: C of scikit-learn's logistic regression; the smaller, the smaller the weights.

    Returns:
        None where there is nothing to tell apart, or a class that none of the images shows.
    """
    if kind != "multilabel":
        if len(np.unique(labels)) < classes:
            return None
        weight, bias = _linear(features, labels, regularisation)
        if classes > 2:
            return weight, bias
        # Of two classes there is one score, and a layer has one for each: their difference is what counts.
        signs = np.array([[-0.5], [0.5]], np.float32)
        return signs * weight, signs[:, 0] * bias
    rows = []
    for column in range(classes):
        known = labels[:, column] != MISSING
        if len(np.unique(labels[known, column])) < 2:
            return None
        rows.append(_linear(features[known], labels[known, column], regularisation))
    return np.concatenate([weight for weight, _ in rows]), np.concatenate([bias for _, bias in rows])


def _linear(features: Pooled, labels: npt.NDArray[np.int64], regularisation: float) -> tuple[Pooled, Pooled]:
    """Weight and bias of the classifier, of features as they are: the scaling is within them."""
    scaler, model = (step for _, step in _classifier(regularisation).fit(features.astype(np.float64), labels).steps)
    weight = model.coef_ / scaler.scale_
    bias = model.intercept_ - weight @ scaler.mean_
    return weight.astype(np.float32), bias.astype(np.float32)
