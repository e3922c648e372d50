"""Where images and masks are found: folders under any usual names, and names of files that belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ttl.data import load_task
from ttl.data.readers.mask_folders import FolderRole, folder_role
from ttl.data.readers.mask_names import Fit, ImageNames
from ttl.errors import DataError

from .toy_masks import block, ids_by_split, images, mask_of, masks, pixel_counts, put, records

ALL, BLOCK = 120, 18  # pixels of a mask, and of its block


@pytest.mark.parametrize(
    ("name", "what", "split"),
    [
        ("images", "images", None),
        ("IMG", "images", None),
        ("imagesTr", "images", "train"),
        ("labelsTs", "masks", "test"),
        ("train_images", "images", "train"),
        ("trainmasks", "masks", "train"),
        ("label_images", "masks", None),
        ("1st_manual", "masks", None),
        ("JPEGImages", "images", None),
        ("SegmentationClass", "masks", None),
        ("ground-truth", "masks", None),
        ("GT", "masks", None),
        ("Annotations", "masks", None),
    ],
)
def test_what_a_folder_holds_by_its_name(name: str, what: str, split: str | None) -> None:
    assert folder_role(name) == FolderRole(what, split)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["no_mask", "with_mask", "leftImg8bit", "test", "benign", "SegmentationObject", "x"])
def test_other_names_say_nothing_of_masks(name: str) -> None:
    assert folder_role(name) is None


@pytest.mark.parametrize(
    ("of_images", "of_masks"),
    [
        ("images", "labels"),
        ("Image", "Mask"),
        ("imgs", "annotations"),
        ("input", "target"),
        ("JPEGImages", "SegmentationClass"),
        ("original", "GT"),
        ("photos", "ground_truth"),
    ],
)
def test_two_folders_under_usual_names(tmp_path: Path, of_images: str, of_masks: str) -> None:
    images(tmp_path / of_images, range(4))
    masks(tmp_path / of_masks, range(4), block(1))
    found = records(tmp_path)
    assert pixel_counts(found) == {f"{of_images}/{i}.png": [ALL - BLOCK, BLOCK, 0] for i in range(4)}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs")),
        (("train_images", "train_masks"), ("test_images", "test_masks")),
        (("images/Training", "masks/Training"), ("images/Testing", "masks/Testing")),
        (("Training/img", "Training/gt"), ("Testing/img", "Testing/gt")),
        (("stage1_train/set/images", "stage1_train/set/masks"), ("stage1_test/set/images", "stage1_test/set/masks")),
        (("train", "train_masks"), ("test", "test_masks")),
        (("train", "trainannot"), ("test", "testannot")),
    ],
)
def test_splits_of_images_and_masks(tmp_path: Path, train: tuple[str, str], test: tuple[str, str]) -> None:
    for (of_images, of_masks), number in ((train, 8), (test, 3)):
        images(tmp_path / of_images, range(number))
        masks(tmp_path / of_masks, range(number))
    splits = ids_by_split(tmp_path)
    assert splits["test"] == {f"{test[0]}/{i}.png" for i in range(3)}
    assert splits["train"] | splits["val"] == {f"{train[0]}/{i}.png" for i in range(8)}


def nnunet(root: Path, channels: int = 1) -> Path:
    images(root / "imagesTr", [f"case_{i:03d}_{channel:04d}" for i in range(8) for channel in range(channels)])
    masks(root / "labelsTr", [f"case_{i:03d}" for i in range(8)], block(1))
    return root


def test_nnunet(tmp_path: Path) -> None:
    images(nnunet(tmp_path) / "imagesTs", ["case_100_0000"])
    found = records(tmp_path)
    assert found.ids == tuple(f"imagesTr/case_{i:03d}_0000.png" for i in range(8))
    assert mask_of(found, "imagesTr/case_003_0000.png") == block(1).tolist()
    assert found.given == ("train",) * 8
    assert "Folder imagesTs has no masks: its images are left aside." in found.notes


@pytest.mark.parametrize("labels", [{"background": 0, "liver": 1}, {"0": "background", "1": "liver"}])
def test_nnunet_names_its_classes(tmp_path: Path, labels: dict[str, object]) -> None:
    (nnunet(tmp_path) / "dataset.json").write_text(json.dumps({"labels": labels}))
    found = records(tmp_path)
    assert found.class_names == ("background", "liver")
    assert not [note for note in found.notes if "dataset.json" in note]


def test_what_nnunet_ignores_counts_in_nothing(tmp_path: Path) -> None:
    (nnunet(tmp_path) / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "liver": 1, "ignore": 2}}))
    put(tmp_path / "labelsTr" / "case_000.png", block(1) + block(2, rows=slice(8, 10)))
    counts = pixel_counts(records(tmp_path))
    assert counts["imagesTr/case_000_0000.png"] == [ALL - BLOCK - 12, BLOCK, 12]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"background": 0, "whole": [1, 2]}, "has classes of several labels"),
        ({"background": 0, "liver": 2}, "numbers its labels 0, 2: 0, 1, 2 ... is needed"),
    ],
)
def test_a_dataset_json_that_says_something_else(tmp_path: Path, labels: dict[str, object], text: str) -> None:
    (nnunet(tmp_path) / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(DataError, match=text):
        records(tmp_path)


def test_several_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"images of several channels in files of their own \(case_000_0000, case_000_0001"
    ):
        records(nnunet(tmp_path, channels=2))


def test_masks_beside_their_images(tmp_path: Path) -> None:
    images(tmp_path, range(4))
    masks(tmp_path, [f"{i}_mask" for i in range(4)])
    assert pixel_counts(records(tmp_path)) == {f"{i}.png": [ALL - BLOCK, BLOCK, 0] for i in range(4)}


def test_masks_beside_their_images_in_class_folders_where_masks_are_wanted(tmp_path: Path) -> None:
    for name in ("benign", "malignant"):
        images(tmp_path / name, [f"{name} ({i})" for i in range(4)])
        masks(tmp_path / name, [f"{name} ({i})_mask" for i in range(4)])
    assert load_task(tmp_path).class_names == ("benign", "malignant")
    found = records(tmp_path, per_pixel=True)
    assert found.ids == tuple(f"{name}/{name} ({i}).png" for name in ("benign", "malignant") for i in range(4))
    assert pixel_counts(found)["benign/benign (2).png"] == [ALL - BLOCK, BLOCK, 0]


def test_masks_beside_their_images_in_splits(tmp_path: Path) -> None:
    for split, number in (("train", 6), ("test", 3)):
        images(tmp_path / split, range(number))
        masks(tmp_path / split, [f"{i}_mask" for i in range(number)])
    assert ids_by_split(tmp_path)["test"] == {f"test/{i}.png" for i in range(3)}


def test_an_image_without_a_mask_among_those_with_one_is_refused(tmp_path: Path) -> None:
    images(tmp_path, range(4))
    masks(tmp_path, [f"{i}_mask" for i in range(3)])
    with pytest.raises(DataError, match=r"3\.png \(no mask\)"):
        records(tmp_path)


def test_a_folder_for_each_image(tmp_path: Path) -> None:
    """As the Data Science Bowl of 2018 has it: one file a nucleus."""
    for split, number in (("stage1_train", 6), ("stage1_test", 3)):
        for i in range(number):
            folder = tmp_path / split / f"{split}{i}"
            images(folder / "images", [f"{split}{i}"])
            put(folder / "masks" / "81d5.png", block(rows=slice(0, 2)))
            put(folder / "masks" / "f00a.png", block(rows=slice(4, 5)))
    found = records(tmp_path)
    assert pixel_counts(found)["stage1_test/stage1_test1/images/stage1_test1.png"] == [ALL - 18, 18, 0]
    assert ids_by_split(tmp_path)["test"] == {f"stage1_test/stage1_test{i}/images/stage1_test{i}.png" for i in range(3)}
    assert "9 images have their mask in several files each: united, up to 2." in found.notes


def by_class(root: Path) -> Path:
    images(root / "images", range(4))
    masks(root / "masks" / "liver", range(4), block(255, rows=slice(0, 2)))
    masks(root / "masks" / "tumour", range(4), block(1, rows=slice(5, 6)))
    return root


def test_a_folder_of_masks_for_each_class(tmp_path: Path) -> None:
    found = records(by_class(tmp_path))
    assert found.class_names == ("background", "liver", "tumour")
    assert pixel_counts(found) == {f"images/{i}.png": [ALL - 18, 12, 6, 0] for i in range(4)}
    assert mask_of(found, "images/2.png")[0] == [0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert mask_of(found, "images/2.png")[5] == [0, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0]


def test_classes_that_overlap_are_refused(tmp_path: Path) -> None:
    put(by_class(tmp_path) / "masks" / "tumour" / "1.png", block(1, rows=slice(1, 3)))
    with pytest.raises(
        DataError, match=r"masks/liver/1\.png \(it overlaps another part of its mask that means another c"
    ):
        records(tmp_path)
    assert records(tmp_path, skip_bad=True).ids == ("images/0.png", "images/2.png", "images/3.png")


def test_a_class_without_a_mask_of_an_image_is_refused(tmp_path: Path) -> None:
    (by_class(tmp_path) / "masks" / "tumour" / "1.png").unlink()
    with pytest.raises(
        DataError, match=r"images/1\.png \(no mask in tumour, where an empty one would say that there is n"
    ):
        records(tmp_path)
    assert records(tmp_path, skip_bad=True).ids == ("images/0.png", "images/2.png", "images/3.png")


def test_folders_of_classes_of_images_and_masks_are_no_classes_of_pixels(tmp_path: Path) -> None:
    for name in "ab":
        images(tmp_path / "images" / name, range(3))
        masks(tmp_path / "masks" / name, range(3))
    assert records(tmp_path).class_names == ("background", "foreground")


@pytest.mark.parametrize(
    ("of_texts", "ending"), [("labels", ".txt"), ("annotations", ".json"), ("Annotations", ".xml")]
)
def test_boxes_as_text_are_refused(tmp_path: Path, of_texts: str, ending: str) -> None:
    images(tmp_path / "images", range(3))
    (tmp_path / of_texts).mkdir()
    (tmp_path / of_texts / f"0{ending}").write_text("0 .5 .5 .1 .1")
    with pytest.raises(DataError, match=f"holds 1 {ending} file and no image: outlines and boxes as text"):
        load_task(tmp_path)


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        (("training/images", "training/mask", "training/1st_manual"), "has 1st_manual and mask: keep one of them"),
        (("images/train", "images/test", "masks/train", "masks/val"), "both need the same splits"),
        (("train_images", "train_masks", "test_masks"), "has test_masks and no images for them: add them"),
        (("images", "masks", "test_images", "test_masks"), "call them train_images, train_masks"),
        (("val_images", "val_masks"), "call them train_images, train_masks"),
    ],
)
def test_folders_that_contradict_each_other(tmp_path: Path, folders: tuple[str, ...], text: str) -> None:
    for folder in folders:
        images(tmp_path / folder, range(3))
    with pytest.raises(DataError, match=text):
        load_task(tmp_path)


@pytest.mark.parametrize(
    ("mask", "image", "form", "number"),
    [
        ("7", "7", "", None),
        ("7_mask", "7", "_mask", None),
        ("7-Segmentation", "7", "_segmentation", None),
        ("7_mask_2", "7", "_mask", "2"),
        ("7_mask3", "7", "_mask", "3"),
        ("7_2", "7", "", "2"),
        ("7/nucleus", "7", "folder", "nucleus"),
        ("cell (4)_mask_1", "cell (4)", "_mask", "1"),
        ("scan_mask_3", "scan_3", "_mask", "3"),
        ("mask_12", "image_12", "mask_", None),
        ("12_label", "image_12", "_label", None),
        ("55_mask", "55_sat", "_mask", None),
        ("case_001", "case_001_0000", "", None),
        ("P8", "p8", "", None),
        ("21_manual1", "21_training", "_manual1", None),
        ("day 2/7_gt", "day 2/7", "_gt", None),
    ],
)
def test_the_image_of_a_mask_by_its_name(mask: str, image: str, form: str, number: str | None) -> None:
    names = ["7", "p8", "55_sat", "image_12", "scan_3", "case_001_0000", "21_training", "cell (4)", "day 2/7"]
    assert ImageNames.of(names).fits(mask) == [Fit(image, form, number)]


def test_a_name_that_fits_two_images_fits_none(tmp_path: Path) -> None:
    assert ImageNames.of(["a", "a_1"]).fits("a_mask_1") == [Fit("a", "_mask", "1"), Fit("a_1", "_mask", "1")]
    images(tmp_path / "images", ["a", "a_1", "b"])
    masks(tmp_path / "masks", ["a_mask", "a_mask_1", "b"])
    with pytest.raises(DataError, match=r"masks/a_mask_1\.png \(its name fits several images: a, a_1\)"):
        records(tmp_path)


def test_masks_of_other_forms_are_not_united(tmp_path: Path) -> None:
    """Two people drew them, or two things are meant: nobody knows which counts."""
    images(tmp_path / "images", range(3))
    masks(tmp_path / "masks", ["0_manual1", "0_manual2", "1", "2", "2_seg"])
    with pytest.raises(DataError) as caught:
        records(tmp_path)
    assert "images/0.png (several masks: masks/0_manual1.png and masks/0_manual2.png)" in str(caught.value)
    assert "images/2.png (several masks: masks/2.png and masks/2_seg.png)" in str(caught.value)
