from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttl.data import load_task
from ttl.errors import DataError

from .toys import class_folders, noise, save, truncate_file


def every_id(task_splits: dict) -> set[str]:
    return {sample for samples in task_splits.values() for sample in samples.ids}


def refused(data: Path | str, text: str, **options: object) -> None:
    with pytest.raises(DataError, match=re.escape(text)):
        load_task(data, **options)


def test_class_folders_become_a_binary_task_with_the_second_class_positive(tmp_path: Path) -> None:
    task = load_task(class_folders(tmp_path / "set", {"sick": 25, "healthy": 50}))
    assert (task.name, task.kind, task.class_names) == ("set", "binary", ("healthy", "sick"))
    assert {name: np.bincount(s.labels).tolist() for name, s in task.splits.items()} == {
        "train": [32, 16],
        "val": [8, 4],
        "test": [10, 5],
    }
    assert len(every_id(task.splits)) == 75
    for samples in task.splits.values():
        for sample, label, index in zip(samples.ids, samples.labels, samples.index, strict=True):
            assert sample.startswith(task.class_names[label] + "/")
            assert np.array_equal(
                np.asarray(samples.source.load(index)), np.asarray(Image.open(tmp_path / "set" / sample))
            )


def test_three_classes_are_multiclass(tmp_path: Path) -> None:
    task = load_task(class_folders(tmp_path, {"c": 3, "a": 4, "b": 5}))
    assert (task.kind, task.class_names) == ("multiclass", ("a", "b", "c"))


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_split_folders_are_kept(tmp_path: Path, val: str) -> None:
    counts = {f"{split}/{name}": 2 for split in ("train", val, "test") for name in "ab"}
    task = load_task(class_folders(tmp_path, counts))
    assert {name: sorted(samples.ids) for name, samples in task.splits.items()} == {
        split: [f"{folder}/{name}/{i}.png" for name in "ab" for i in range(2)]
        for split, folder in (("train", "train"), ("val", val), ("test", "test"))
    }
    assert "Split as the data bring it." in task.notes


def test_val_is_taken_out_of_train_in_the_usual_proportion(tmp_path: Path) -> None:
    counts = {"train/a": 40, "train/b": 20, "test/a": 5, "test/b": 5}
    task = load_task(class_folders(tmp_path, counts), seed=3)
    assert {name: np.bincount(s.labels).tolist() for name, s in task.splits.items()} == {
        "train": [32, 16],
        "val": [8, 4],
        "test": [5, 5],
    }
    assert all(sample.startswith("train/") for sample in task.val.ids)
    assert all(sample.startswith("test/") for sample in task.test.ids)
    assert "val (12 images) taken out of train" in task.notes[0]


def test_a_train_folder_alone_is_split_three_ways(tmp_path: Path) -> None:
    task = load_task(class_folders(tmp_path, {"train/a": 25, "train/b": 25}))
    assert [len(samples) for samples in task.splits.values()] == [32, 8, 10]


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    assert load_task(class_folders(tmp_path, {"test": 3, "control": 3})).class_names == ("control", "test")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert load_task(class_folders(tmp_path, {"train": 3, "plane": 3})).class_names == ("plane", "train")


def test_folders_beside_the_splits_are_named(tmp_path: Path) -> None:
    counts = {"train/a": 9, "train/b": 9, "test/a": 3, "test/b": 3, "drafts/a": 5}
    task = load_task(class_folders(tmp_path, counts))
    assert len(every_id(task.splits)) == 24
    assert "1 path ignored, no image of a class: drafts." in task.notes


def test_nested_files_count_and_hidden_or_foreign_ones_do_not(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3, "b/p1/day 2": 2, ".cache/a": 2, "__MACOSX/a": 1})
    save(tmp_path / "a" / ".hidden.png")
    save(tmp_path / "loose.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    task = load_task(tmp_path)
    assert every_id(task.splits) == {f"{c}/{i}.png" for c in "ab" for i in range(3)} | {
        f"b/p1/day 2/{i}.png" for i in range(2)
    }
    assert "2 paths ignored, no image of a class: loose.png, a/notes.txt." in task.notes


def test_unicode_names_and_upper_case_extensions(tmp_path: Path) -> None:
    for name in ("röntgen 肺.PNG", "b.JPG", "c.TIFF"):
        save(tmp_path / "größe" / name)
    class_folders(tmp_path, {"z": 3})
    task = load_task(tmp_path)
    assert task.class_names == ("größe", "z")
    assert "größe/röntgen 肺.PNG" in every_id(task.splits)


def test_a_link_back_up_is_not_followed(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 4, "b": 3})
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a", target_is_directory=True)
    task = load_task(tmp_path)
    assert len(every_id(task.splits)) == 7
    assert "2 links to a folder that is read anyway, not followed: a/self, a/up." in task.notes


def test_a_link_to_a_folder_elsewhere_is_followed(tmp_path: Path) -> None:
    class_folders(tmp_path / "elsewhere", {"more": 2})
    class_folders(tmp_path / "set", {"a": 3, "b": 3})
    (tmp_path / "set" / "a" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    assert "a/more/1.png" in every_id(load_task(tmp_path / "set").splits)


def test_the_fingerprint_depends_on_ids_labels_and_bytes_alone(tmp_path: Path) -> None:
    class_folders(tmp_path / "set", {"a": 5, "b": 5})
    first = load_task(tmp_path / "set").fingerprint
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert load_task(tmp_path / "set", seed=5, val_fraction=0.3).fingerprint == first

    shutil.copytree(tmp_path / "set", tmp_path / "copy")
    assert load_task(tmp_path / "copy").fingerprint == first
    save(tmp_path / "copy" / "a" / "0.png", noise(77))
    changed = load_task(tmp_path / "copy").fingerprint
    (tmp_path / "copy" / "a" / "1.png").rename(tmp_path / "copy" / "b" / "9.png")
    assert len({first, changed, load_task(tmp_path / "copy").fingerprint}) == 3


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    task = load_task(class_folders(tmp_path, {"a": 3, "b": 3}))
    position, sample = task.test.index[0], task.test.ids[0]
    expected = hashlib.sha256((tmp_path / sample).read_bytes()).digest()
    assert task.test.source.digests[position] == expected


def bad_images(root: Path) -> Path:
    class_folders(root, {"a": 6, "b": 6})
    (root / "a" / "0.png").write_bytes(b"")
    (root / "a" / "1.png").write_text("no image at all")
    truncate_file(save(root / "b" / "cut.png", noise(1, (60, 60))))
    truncate_file(save(root / "b" / "cut.jpg", noise(2, (60, 60))))
    (root / "b" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "b" / "round.png").symlink_to(root / "b" / "round.png")
    return root


def test_every_unreadable_image_is_named_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_task(bad_images(tmp_path))
    text = str(caught.value)
    assert text.startswith(f"6 of 16 images in {tmp_path} can't be read: 2 files: cut off before its end (b/cut.jpg, ")
    assert "b/cut.png), a/0.png (an empty file), a/1.png (not an" in text
    assert f"b/gone.png ({os.strerror(2)}), b/round.png (Too many levels" in text
    assert text.endswith("repair or remove them, or go on without them with --skip-bad.")


def test_of_very_many_unreadable_images_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 30, "b": 3})
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(b"")
    refused(tmp_path, "30 files: an empty file (a/0.png, a/1.png, a/10.png and 27 more): repair")


def test_skip_bad_goes_on_and_says_so(tmp_path: Path) -> None:
    task = load_task(bad_images(tmp_path), skip_bad=True)
    assert every_id(task.splits) == {f"a/{i}.png" for i in range(2, 6)} | {f"b/{i}.png" for i in range(6)}
    assert any(note.startswith("6 unreadable images skipped: 2 files: cut off") for note in task.notes)


def test_a_class_that_skipping_leaves_empty_is_refused(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 4})
    (tmp_path / "a" / "0.png").write_bytes(b"")
    refused(tmp_path, "classes with too few images, a (0 images): at least 3", skip_bad=True)


def test_progress_counts_image_by_image(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    load_task(class_folders(tmp_path, {"a": 20, "b": 20}), on_progress=lambda *call: calls.append(call))
    assert calls == [(done, 40) for done in range(1, 41)]


def test_no_such_path(tmp_path: Path) -> None:
    refused(tmp_path / "none", f"There are no data at {tmp_path / 'none'}: give a folder")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    refused(tmp_path / "a.txt", "a.txt isn't a kind of data that can be read")


def test_no_class_folders(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    refused(tmp_path, f"The folder {tmp_path} has no class folders (1 image in it)")


def test_one_class_folder(tmp_path: Path) -> None:
    refused(class_folders(tmp_path, {"a": 9}), "has only one class, a: at least two")


def test_an_empty_class_folder(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 9})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "readme.md").write_text("")
    refused(tmp_path, f"The class folder {tmp_path / 'b'} holds no image (1 other file in it): add images")


def test_a_class_of_one_image(tmp_path: Path) -> None:
    refused(class_folders(tmp_path, {"a": 9, "b": 1}), "too few images, b (1 image): at least 3 are needed")


def test_a_class_in_test_that_train_lacks(tmp_path: Path) -> None:
    counts = {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1, "test/a": 1, "test/b": 1, "test/c": 3}
    refused(class_folders(tmp_path, counts), "The class 'c'")
    refused(tmp_path, "is in test but not in train")


def test_a_class_that_test_lacks(tmp_path: Path) -> None:
    counts = {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1, "test/a": 1}
    refused(class_folders(tmp_path, counts), "The class 'b' of")
    refused(tmp_path, "is in train, val but not in test")


def test_split_folders_without_train(tmp_path: Path) -> None:
    counts = {"val/a": 3, "val/b": 3, "test/a": 3, "test/b": 3}
    refused(class_folders(tmp_path, counts), "has val and test but no train")


def test_two_folders_for_one_split(tmp_path: Path) -> None:
    counts = {f"{split}/{name}": 3 for split in ("train", "val", "valid") for name in "ab"}
    refused(class_folders(tmp_path, counts), "has several folders for val, val and valid: keep one")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3, "b/inner": 1})
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("inner"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)  # the superuser may read every folder
    refused(tmp_path, "inner can't be read (Permission denied): check its permissions")


@pytest.mark.realdata
def test_the_x_rays(realdata: Path) -> None:
    task = load_task(realdata / "xray")
    assert (task.kind, task.class_names) == ("binary", ("normal", "pneumonia"))
    assert [np.bincount(s.labels).tolist() for s in task.splits.values()] == [[320] * 2, [80] * 2, [100] * 2]
    assert task.train.source.channels == 1
