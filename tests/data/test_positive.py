"""Which of two classes is the positive one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import load_task
from ttl.data.positive import means_absence
from ttl.errors import UsageError


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
    assert load_task(data, positive="healthy").class_names == ("cancer", "healthy")
    assert load_task(data, positive="cancer").class_names == ("healthy", "cancer")


def test_a_class_that_isnt_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--positive sick is no class of .*: give cancer or healthy"):
        load_task(folder(tmp_path, "cancer", "healthy"), positive="sick")


def test_it_is_for_two_classes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--positive names the finding where there are two classes, and .* with 3"):
        load_task(folder(tmp_path, "a", "b", "c"), positive="a")
    assert not any("positive" in note for note in load_task(tmp_path).notes)


@pytest.mark.parametrize("name", ["known", "northern", "snow", "notch", "unstable"])
def test_letters_in_other_words_say_nothing(name: str) -> None:
    assert not means_absence(name, "tumor")
