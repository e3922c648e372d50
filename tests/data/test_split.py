from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ttl.data import load_task, write_splits
from ttl.data.split import stratified_split
from ttl.errors import UsageError

SHARES = {"train": 0.64, "val": 0.16, "test": 0.20}


def counts(labels: np.ndarray, splits: list[str]) -> dict[str, list[int]]:
    return {
        split: np.bincount(labels[np.array(splits) == split], minlength=labels.max() + 1).tolist() for split in SHARES
    }


def test_each_class_is_dealt_out_in_the_shares() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 25])
    assert counts(labels, stratified_split(labels, SHARES, seed=0)) == {
        "train": [64, 32, 16],
        "val": [16, 8, 4],
        "test": [20, 10, 5],
    }


@pytest.mark.parametrize(("n", "expected"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (5, [3, 1, 1]), (7, [5, 1, 1])])
def test_a_small_class_is_in_every_split(n: int, expected: list[int]) -> None:
    labels = np.repeat([0, 1], [n, 100])
    found = counts(labels, stratified_split(labels, SHARES, seed=0))
    assert [found[split][0] for split in SHARES] == expected


def test_the_seed_decides() -> None:
    labels = np.arange(60) % 3
    first = stratified_split(labels, SHARES, seed=0)
    assert stratified_split(labels, SHARES, seed=0) == first
    assert stratified_split(labels, SHARES, seed=1) != first


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_and_the_shares_are_nearly_met(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, 150, 600)
    labels = (rng.random(600) < 0.1 + 0.3 * (patients % 2)).astype(np.int64)
    splits = stratified_split(labels, SHARES, seed=seed, groups=tuple(f"p{p}" for p in patients))
    places: dict[int, set[str]] = {}
    for patient, split in zip(patients, splits, strict=True):
        places.setdefault(patient, set()).add(split)
    assert all(len(found) == 1 for found in places.values())
    found = counts(labels, splits)
    for split, share in SHARES.items():
        assert np.allclose(found[split], share * np.bincount(labels), atol=8)
    assert splits == stratified_split(labels, SHARES, seed=seed, groups=tuple(f"p{p}" for p in patients))


def test_a_class_of_three_groups_is_in_every_split() -> None:
    labels = np.repeat([0, 1], [90, 12])
    groups = tuple(f"many{i}" for i in range(90)) + tuple(f"rare{i % 3}" for i in range(12))
    found = counts(labels, stratified_split(labels, SHARES, seed=0, groups=groups))
    assert [found[split][1] for split in SHARES] == [4, 4, 4]


@pytest.mark.parametrize(("val", "test"), [(0.0, 0.2), (0.5, 0.5), (-0.1, 0.2), (float("nan"), 0.2)])
def test_shares_that_leave_nothing(val: float, test: float) -> None:
    with pytest.raises(UsageError, match="can't both be met"):
        load_task("digits", val_fraction=val, test_fraction=test)


def test_a_share_of_train_is_stratified_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    whole = load_task("digits:0-1")
    few = load_task("digits:0-1", train_fraction=0.25)
    assert (few.val.ids, few.test.ids) == (whole.val.ids, whole.test.ids)
    assert set(few.train.ids) < set(whole.train.ids)
    shares = np.bincount(few.train.labels) / np.bincount(whole.train.labels)
    assert shares == pytest.approx([0.25] * 2, abs=0.01)
    assert few.unused is not None
    assert len(few.unused) + len(few.train) == len(whole.train)
    assert any("(--train-fraction 0.25)" in note for note in few.notes)
    assert load_task("digits:0-1", train_fraction=0.25, seed=1).train.ids != few.train.ids
    write_splits(few, tmp_path / "splits.csv")
    again = load_task("digits:0-1", splits=tmp_path / "splits.csv")
    assert (again.train.ids, again.val.ids, again.test.ids) == (few.train.ids, few.val.ids, few.test.ids)


def test_groups_are_kept_or_left_out_whole() -> None:
    labels = np.repeat([0, 1], 40)
    groups = tuple(f"p{i // 4}" for i in range(80))
    kept = stratified_split(labels, {"train": 0.5, "unused": 0.5}, seed=0, groups=groups)
    assert all(len({kept[i] for i in range(80) if groups[i] == group}) == 1 for group in groups)


def test_classes_too_small_to_divide_leave_no_split_empty() -> None:
    assert sorted(stratified_split(np.arange(3), SHARES, seed=0)) == ["test", "train", "val"]
    pairs = stratified_split(np.array([0, 0, 1, 1]), SHARES, seed=0)
    assert sorted(pairs) == ["test", "test", "train", "val"]
