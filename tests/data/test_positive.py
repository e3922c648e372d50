"""Which of two classes is the positive one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import Columns, describe, load_task
from ttl.data.positive import means_absence
from ttl.errors import UsageError

from .toys import manifest


def folder(path: Path, *classes: str) -> Path:
    rng = np.random.default_rng(0)
    for name in classes:
        (path / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(path / name / f"{i}.png")
    return path


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("cancer", "healthy"), "cancer"),
        (("NORMAL", "PNEUMONIA"), "PNEUMONIA"),
        (("benign", "malignant"), "malignant"),
        (("Parasitized", "Uninfected"), "Parasitized"),
        (("covid", "noncovid"), "covid"),
        (("tumor", "without tumor"), "tumor"),
        (("abnormal", "normal"), "abnormal"),
        (("yes", "no"), "yes"),
        (("cats", "dogs"), "dogs"),
        (("benign", "normal"), "normal"),
    ],
)
def test_the_absence_of_a_finding_isnt_positive(tmp_path: Path, classes: tuple[str, str], positive: str) -> None:
    task = load_task(folder(tmp_path, *classes))
    assert task.class_names[1] == positive
    for samples in task.splits.values():
        assert [task.class_names[label] for label in samples.labels] == [name.split("/")[0] for name in samples.ids]
    assert any(note.startswith(f"The positive class is {positive}, against ") for note in task.notes)


def test_any_class_can_be_named(tmp_path: Path) -> None:
    data = folder(tmp_path, "cancer", "healthy")
    for asked in ("healthy", ("healthy",)):
        task = load_task(data, positive=asked)
        assert (task.class_names, task.finding) == (("cancer", "healthy"), ("healthy",))
    task = load_task(data, positive="cancer")
    assert (task.class_names, task.finding, describe(task).finding) == (("healthy", "cancer"), ("cancer",), ("cancer",))


@pytest.mark.parametrize("classes", [("cancer", "healthy"), ("cancer", "cyst", "healthy")])
def test_a_class_that_is_named_twice_is_refused(tmp_path: Path, classes: tuple[str, ...]) -> None:
    data = folder(tmp_path, *classes)
    with pytest.raises(
        UsageError, match=r"--positive names cancer more than once: name each class of the finding once"
    ):
        load_task(data, positive=("cancer", "cancer"))


def test_classes_in_another_order_are_other_data(tmp_path: Path) -> None:
    data = folder(tmp_path, "cancer", "healthy")
    as_read, swapped = load_task(data, positive="healthy"), load_task(data, positive="cancer")
    assert as_read.fingerprint != swapped.fingerprint
    assert load_task(data).fingerprint == swapped.fingerprint


def test_both_classes_cannot_be_the_finding(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--positive names both classes of .*: give cancer or healthy\."):
        load_task(folder(tmp_path, "cancer", "healthy"), positive=("cancer", "healthy"))


def test_a_class_that_isnt_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--positive sick is no class of .*: there are cancer, healthy\."):
        load_task(folder(tmp_path, "cancer", "healthy"), positive="sick")


def test_several_classes_can_be_one_finding(tmp_path: Path) -> None:
    data = folder(tmp_path, "0", "1", "2", "3")
    plain, grouped = load_task(data), load_task(data, positive=("3", "2"))
    assert (plain.finding, describe(plain).finding) == ((), ())
    assert not any("finding" in note for note in plain.notes)
    assert grouped.finding == describe(grouped).finding == ("2", "3")
    assert "The finding is 2, 3, against 0, 1." in grouped.notes
    assert (grouped.class_names, grouped.fingerprint) == (plain.class_names, plain.fingerprint)
    assert grouped.train.labels.tolist() == plain.train.labels.tolist()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("2", "4"), r"--positive 4 is no class of .*: there are 0, 1, 2\."),
        (("0", "1", "2"), r"--positive names every class of .*: leave out those without the finding\."),
    ],
)
def test_a_finding_that_is_none_is_refused(tmp_path: Path, asked: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_task(folder(tmp_path, "0", "1", "2"), positive=asked)


def test_several_labels_and_masks_have_no_one_finding(tmp_path: Path) -> None:
    several = Columns(labels=("edema", "mass", "nodule"))
    data = manifest(tmp_path, several=True)
    assert load_task(data, columns=several).finding == ()
    with pytest.raises(UsageError, match=r"--positive names the finding where each image has one class"):
        load_task(data, columns=several, positive="edema")


@pytest.mark.parametrize("name", ["known", "northern", "snow", "notch", "unstable"])
def test_letters_in_other_words_say_nothing(name: str) -> None:
    assert not means_absence(name, "tumor")
