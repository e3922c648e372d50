"""Which split a folder means, however it is spelled, and which layouts of class folders are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttl.data import load_task
from ttl.data.readers.split_words import split_meant, split_name
from ttl.errors import DataError

from .toy_masks import block, ids_by_split, labels_by_id, put
from .toys import class_folders, noise, save


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Training TRAIN training_set train-images 01_train TrainData trainset train2017 trainval"),
        ("train", "train_val data_train the.train TRAINING_IMAGES stage1_train"),
        ("val", "val Valid validation VALIDATE dev development_set val_images 02-Val validset"),
        ("test", "test Testing TEST test_data testset 3.test test_jpg TestImages"),
        (None, "plane contest latest stress_test train_station trains invalid eval holdout train_test seg_train a1"),
    ],
)
def test_a_name_means_a_split_where_its_words_say_nothing_else(split: str | None, names: str) -> None:
    assert {name: split_meant(name) for name in names.split()} == dict.fromkeys(names.split(), split)


def test_other_words_of_a_name_are_kept() -> None:
    assert split_name("seg_train").split == "train"
    assert split_name("seg_train").rest == ("seg",)
    assert split_name("trainA").rest == ("a",)


def splits_of(root: Path, *folders: str) -> dict[str, set[str]]:
    """Which folders the images of each split are of, where each folder holds two classes."""
    class_folders(root, {f"{folder}/{name}": 8 for folder in folders for name in "ab"})
    splits = ids_by_split(root)
    assert load_task(root).class_names == ("a", "b")
    return {split: {name.split("/")[0] for name in ids} for split, ids in splits.items()}


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("Training", "Validation", "Testing"),
        ("seg_train", "seg_dev", "seg_test"),
        ("train_set", "valid_set", "test_set"),
        ("01_train", "02_val", "03_test"),
        ("TrainData", "DevData", "TestData"),
        ("ChestTrain", "ChestVal", "ChestTest"),
        ("x-ray training", "x-ray val", "x-ray testing"),
    ],
)
def test_splits_in_any_spelling(tmp_path: Path, train: str, val: str, test: str) -> None:
    assert splits_of(tmp_path, train, val, test) == {"train": {train}, "val": {val}, "test": {test}}


def test_training_and_testing_alone(tmp_path: Path) -> None:
    assert splits_of(tmp_path, "Training", "Testing") == {
        "train": {"Training"},
        "val": {"Training"},
        "test": {"Testing"},
    }


def test_a_folder_of_the_same_name_in_a_split_is_gone_through(tmp_path: Path) -> None:
    counts = {f"{split}/{split}/{name}": 8 for split in ("seg_train", "seg_test") for name in "ab"}
    class_folders(tmp_path, counts | {"seg_pred/seg_pred": 3})
    task = load_task(tmp_path)
    assert task.class_names == ("a", "b")
    assert set(task.test.ids) == {f"seg_test/seg_test/{name}/{i}.png" for name in "ab" for i in range(8)}
    assert "1 path ignored, no image of a class: seg_pred." in task.notes


def test_splits_within_each_class(tmp_path: Path) -> None:
    counts = {f"{name}/{split}": 4 for name in ("benign", "malignant") for split in ("Train", "val", "test")}
    class_folders(tmp_path, counts)
    assert set(labels_by_id(tmp_path).values()) == {"benign", "malignant"}
    assert ids_by_split(tmp_path) == {
        split: {f"{name}/{folder}/{i}.png" for name in ("benign", "malignant") for i in range(4)}
        for split, folder in (("train", "Train"), ("val", "val"), ("test", "test"))
    }


def test_a_split_without_class_folders_is_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/a": 9, "train/b": 9, "test": 5})
    task = load_task(tmp_path)
    assert "Folder test has no class folders: what is in it (5 images) is left aside." in task.notes
    assert all(name.startswith("train/") for name in task.test.ids)


def test_a_class_that_is_called_like_a_split_is_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"Test": 9, "Control": 9})
    assert (
        "Folder Test is taken for a class like Control: if it is a split, keep only splits beside it."
        in load_task(tmp_path).notes
    )


def test_classes_may_hold_a_word_of_splits(tmp_path: Path) -> None:
    task = load_task(class_folders(tmp_path, {"stress_test": 5, "rest": 5}))
    assert task.class_names == ("rest", "stress_test")


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (
            {"train_cats": 3, "train_dogs": 3, "test_cats": 3, "test_dogs": 3},
            "name splits, and which is which isn't plain",
        ),
        ({"train/a": 3, "train/b": 3, "eval/a": 3, "eval/b": 3}, "The folders eval, train of"),
        ({"train/a": 3, "train/b": 3, "test_old/a": 3}, "The folders test_old, train of"),
        (
            {"train/a": 3, "train/b": 3, "unlabelled": 3},
            "called like a split and holds folders as one does, beside unlab",
        ),
        ({"train_1/a": 3, "train_2/a": 3}, "has several folders for train, train_1 and train_2: keep one of them"),
        ({"chest/train/a": 3, "chest/test/a": 3}, "or, if those in it (test, train) are meant, give chest as DATA"),
    ],
)
def test_names_that_leave_it_open_are_refused(tmp_path: Path, counts: dict[str, int], text: str) -> None:
    with pytest.raises(DataError) as caught:
        load_task(class_folders(tmp_path, counts))
    assert text in str(caught.value)
    assert len(str(caught.value)) - len(str(tmp_path)) < 300


@pytest.mark.parametrize(
    "folders",
    [
        [f"patient{i}/{name}" for i in range(4) for name in ("neg", "pos")],
        [f"p{i}/{name}" for i in range(6) for name in ("neg", "pos")[: 1 + i % 2]],
        [f"fold_{i}/{name}" for i in range(3) for name in "ab"],
        [f"{split}/{name}" for split in ("训练集", "测试集") for name in "ab"],
        [f"{name}/{zoom}" for name in ("benign", "malignant") for zoom in ("40X", "100X")],
        [f"{split}/{site}/{name}" for split in ("train", "test") for site in ("oslo", "lima") for name in "ab"],
    ],
)
def test_class_folders_with_the_same_folders_in_them_are_refused(tmp_path: Path, folders: list[str]) -> None:
    class_folders(tmp_path, dict.fromkeys(folders, 3))
    with pytest.raises(
        DataError, match=r"hold folders of the same names \(.*either may be the classes: put the images"
    ):
        load_task(tmp_path)


def test_folders_of_other_names_in_class_folders_are_gone_through(tmp_path: Path) -> None:
    class_folders(tmp_path, {f"{name}/p{i}": 2 for name, own in (("neg", range(5)), ("pos", range(4, 9))) for i in own})
    assert {name.split("/")[0]: label for name, label in labels_by_id(tmp_path).items()} == {"neg": "neg", "pos": "pos"}


def test_spellings_of_a_class_are_one(tmp_path: Path) -> None:
    class_folders(tmp_path, {"train/Benign": 6, "train/malignant": 6, "test/benign": 3, "test/Malignant": 3})
    assert labels_by_id(tmp_path)["test/benign/0.png"] == "Benign"
    assert labels_by_id(tmp_path)["test/Malignant/0.png"] == "malignant"


def test_masks_beside_images_are_no_images_of_a_class(tmp_path: Path) -> None:
    for name in ("benign", "malignant"):
        for i in range(6):
            save(tmp_path / name / f"{name} ({i}).png", noise(i + 10 * len(name)))
            put(tmp_path / name / f"{name} ({i})_mask.png", block())
    put(tmp_path / "benign" / "benign (0)_mask_1.png", block())
    assert labels_by_id(tmp_path) == {
        f"{name}/{name} ({i}).png": name for name in ("benign", "malignant") for i in range(6)
    }
    note = next(note for note in load_task(tmp_path).notes if "masks of" in note)
    assert note.startswith("13 masks of the images left out of the classes: benign/benign (0)_mask.png, ")


def test_a_name_like_a_masks_without_its_image_is_an_image(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 4, "b": 4})
    save(tmp_path / "a" / "cell_mask.png", noise(77))
    assert labels_by_id(tmp_path)["a/cell_mask.png"] == "a"


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_images_and_masks_under_names_that_say_nothing_are_refused(tmp_path: Path, ending: str) -> None:
    for i in range(5):
        save(tmp_path / "fundus" / f"{i}.png", noise(i, (40, 30)))
        shape = block(255).repeat(4, axis=0).repeat(4, axis=1)
        put(tmp_path / "vessels" / f"{i}{ending}", shape)
    with pytest.raises(
        DataError, match=r"The folders fundus and vessels of .* aren't two classes, it seems: the files of v"
    ):
        load_task(tmp_path)


def test_drawings_of_other_names_than_photographs_are_a_class(tmp_path: Path) -> None:
    for i in range(5):
        save(tmp_path / "photograph" / f"p{i}.png", noise(i))
        put(tmp_path / "drawing" / f"d{i}.png", block(200 + i))
    assert load_task(tmp_path).class_names == ("drawing", "photograph")


def test_many_folders_of_images_with_masks_are_patients(tmp_path: Path) -> None:
    for patient in range(11):
        for i in range(3):
            save(tmp_path / f"TCGA_{patient}" / f"TCGA_{patient}_{i}.tif", noise(10 * patient + i))
            put(tmp_path / f"TCGA_{patient}" / f"TCGA_{patient}_{i}_mask.tif", block())
    with pytest.raises(DataError, match=r"The 11 folders of .* hold images and their masks, as folders of patients do"):
        load_task(tmp_path)
    assert load_task(tmp_path, per_pixel=True).kind == "segmentation"


def covid(root: Path) -> Path:
    """Two classes, each with images and masks in folders of their own."""
    for name in ("COVID", "Normal"):
        for i in range(4):
            put(root / name / "images" / f"{name}-{i}.png", noise(10 * i + len(name), (12, 10)))
            put(root / name / "masks" / f"{name}-{i}.png", block())
    return root


def test_masks_in_folders_of_each_class(tmp_path: Path) -> None:
    task = load_task(covid(tmp_path), per_pixel=False)
    assert labels_by_id(tmp_path, per_pixel=False) == {
        f"{name}/images/{name}-{i}.png": name for name in ("COVID", "Normal") for i in range(4)
    }
    assert [
        note for note in task.notes if note.startswith("8 masks of the images left out of the classes: COVID/masks/")
    ]
    for wanted in (True, None):
        assert load_task(tmp_path, per_pixel=wanted).kind == "segmentation"
