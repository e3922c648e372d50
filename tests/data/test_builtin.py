from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ttl.data import load_task
from ttl.data.readers.arrays import read_builtin
from ttl.errors import DataError


def test_all_digits() -> None:
    task = load_task("digits")
    assert (task.name, task.kind, task.class_names) == ("digits", "multiclass", tuple("0123456789"))
    assert sum(len(samples) for samples in task.splits.values()) == 1797
    sample, label, index = task.test.ids[0], task.test.labels[0], task.test.index[0]
    original = load_digits()
    number = int(sample.removeprefix("digits/"))
    assert original.target[number] == label
    shown = np.asarray(task.test.source.load(index))
    assert np.array_equal(shown, np.rint(original.images[number] * 255 / 16))
    assert shown.max() == 255


def test_halves_share_nothing_and_keep_the_numbering_of_the_whole() -> None:
    low, high, whole = (read_builtin(name) for name in ("digits:0-4", "digits:5-9", "digits"))
    assert high.class_names == ("5", "6", "7", "8", "9")
    assert np.unique(high.labels).tolist() == [0, 1, 2, 3, 4]
    assert not set(low.ids) & set(high.ids)
    assert {*low.ids, *high.ids} == set(whole.ids)


@pytest.mark.parametrize("name", ["digits:", "digits:5", "digits:9-5", "digits:3-3", "digits:0-12", "digits:a-b"])
def test_parts_that_do_not_exist(name: str) -> None:
    with pytest.raises(DataError, match=f"no built-in data '{name}': write digits, or for instance digits:5-9"):
        load_task(name)
