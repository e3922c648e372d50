"""Files with several frames as so many images: their labels, patients, splits and pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ttl.data import Columns, load_task, read_image_list
from ttl.data.modality.rendering import Frame, Rendering
from ttl.data.read_task import read_records
from ttl.data.readers.class_folders import read_folder
from ttl.data.readers.image_list import ImageList
from ttl.data.readers.readable import Reading
from ttl.data.readers.table_file import NO_COLUMNS
from ttl.data.records import Records
from ttl.errors import DataError, UsageError

from .dicom_files import dicom
from .toys import save

EVERY = Reading(Rendering(frame="all"))


def frame_of(level: int) -> npt.NDArray[np.uint8]:
    """Of one grey but for a black and a white pixel: nothing that has lost its content."""
    frame = np.full((4, 4), level, np.uint8)
    frame[0, :2] = 0, 255
    return frame


def write_dicom(path: Path, levels: list[int], **header: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.stack([frame_of(level) for level in levels])
    path.write_bytes(dicom(frames, NumberOfFrames=len(levels), **header))
    return path


def write_gif(path: Path, levels: list[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = (Image.fromarray(frame_of(level)) for level in levels)
    first.save(path, save_all=True, append_images=others)
    return path


def folder_of(root: Path) -> Path:
    write_dicom(root / "a" / "1.dcm", [10, 20, 30], PatientID="P1")
    write_dicom(root / "a" / "2.dcm", [40, 50], PatientID="P1")
    write_gif(root / "a" / "3.gif", [60, 70])
    write_dicom(root / "b" / "4.dcm", [80, 90], PatientID="P2")
    save(root / "b" / "5.png", frame_of(100))
    return root


def levels_of(records: Records) -> list[int]:
    return [int(np.asarray(records.source.load(i).convert("L"))[2, 2]) for i in range(len(records))]


def test_each_frame_is_an_image_of_its_files_label_and_patient(tmp_path: Path) -> None:
    records = read_folder(folder_of(tmp_path), EVERY)
    dicoms = [*(f"a/1.dcm#{n}" for n in (1, 2, 3)), "a/2.dcm#1", "a/2.dcm#2"]
    assert records.ids == (*dicoms, "a/3.gif#1", "a/3.gif#2", "b/4.dcm#1", "b/4.dcm#2", "b/5.png")
    assert records.labels.tolist() == [0] * 7 + [1] * 3
    assert levels_of(records) == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert records.groups == ("P1",) * 5 + ("a/3.gif",) * 2 + ("P2",) * 2 + ("b/5.png",)
    assert "9 images are all frames of 4 files: those of one file are kept together." in records.notes
    assert levels_of(records.pick([9, 1])) == [100, 20]
    assert len({*records.source.digests}) == 10


@pytest.mark.parametrize(
    ("frame", "levels", "words"),
    [("first", [10, 40, 60, 80], "the first one"), ("middle", [20, 50, 70, 90], "the middle one"), (2, [], "")],
)
def test_one_frame_of_each_file(frame: Frame, levels: list[int], words: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    if frame == 2:
        with pytest.raises(DataError, match=r"b/5\.png \(it has 1 frame and no frame 2: give a smaller --frame\)"):
            read_folder(folder, Reading(Rendering(frame=frame)))
        return
    records = read_folder(folder, Reading(Rendering(frame=frame)))
    assert records.ids == ("a/1.dcm", "a/2.dcm", "a/3.gif", "b/4.dcm", "b/5.png")
    assert levels_of(records) == [*levels, 100]
    assert f"4 images with several frames: {words} is used (--frame takes another, or all)." in records.notes


def test_the_frames_of_files_that_name_nobody_are_kept_together(tmp_path: Path) -> None:
    for n in range(8):
        write_gif(tmp_path / "ab"[n % 2] / f"{n}.gif", [n, 50 + n, 100 + n])
    task = load_task(tmp_path, frame="all")
    places = {name: {own.partition("#")[0] for own in samples.ids} for name, samples in task.splits.items()}
    assert sum(map(len, places.values())) == len(set().union(*places.values())) == 8
    assert sum(len(samples) for samples in task.splits.values()) == 24


def test_a_manifest_names_files_with_frames(tmp_path: Path) -> None:
    folder_of(tmp_path)
    rows = ["a/1.dcm,x,m,train", "a/3.gif,x,f,val", "b/4.dcm,y,f,test", "b/5.png,y,,train"]
    table = tmp_path / "list.csv"
    table.write_text("\n".join(["image,label,sex,split", *rows]))
    records = read_records(table, Columns(attributes=("sex",)), EVERY)
    of = (("a/1.dcm", 3), ("a/3.gif", 2), ("b/4.dcm", 2))
    frames = [f"{name}#{number}" for name, count in of for number in range(1, count + 1)]
    assert records.ids == (*frames, "b/5.png")
    assert records.labels.tolist() == [0] * 5 + [1] * 3
    assert records.attributes["sex"] == ("m",) * 3 + ("f",) * 4 + ("",)
    assert records.given == ("train",) * 3 + ("val",) * 2 + ("test",) * 2 + ("train",)
    assert records.groups == ("P1",) * 3 + ("a/3.gif",) * 2 + ("P2",) * 2 + ("b/5.png",)


def test_a_file_with_a_frame_that_cannot_be_read_is_left_out_whole(tmp_path: Path) -> None:
    folder_of(tmp_path)
    broken = write_dicom(tmp_path / "a" / "9.dcm", [1, 2, 3])
    broken.write_bytes(broken.read_bytes()[:-16])
    records = read_folder(tmp_path, Reading(Rendering(frame="all"), skip_bad=True))
    assert records.skipped == ("a/9.dcm",)
    assert not [own for own in records.ids if own.startswith("a/9.dcm")]


def test_a_mask_is_of_one_frame(tmp_path: Path) -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[1:3] = 255
    for n in range(3):
        write_dicom(tmp_path / "images" / f"{n}.dcm", [n, 50 + n])
        save(tmp_path / "masks" / f"{n}.png", mask)
    reason = r"it has 2 frames, and one is needed here: give --frame first, middle or a number \(images/0\.dcm, "
    with pytest.raises(DataError, match=reason):
        read_records(tmp_path, NO_COLUMNS, EVERY)
    records = read_records(tmp_path, NO_COLUMNS, Reading(Rendering(frame="middle")))
    assert levels_of(records) == [50, 51, 52]


@pytest.mark.parametrize("option", [{"frame": "all"}, {"frame": 2}])
def test_frames_of_what_has_no_files_are_refused(option: dict[str, Frame]) -> None:
    with pytest.raises(UsageError, match=r"--frame is for files with several frames, and digits holds none"):
        load_task("digits", **option)


def test_a_window_that_no_image_is_seen_through_is_refused(tmp_path: Path) -> None:
    for n in range(12):
        save(tmp_path / "ab"[n % 2] / f"{n}.png")
    with pytest.raises(UsageError, match=r"--window is for grey DICOM files, and .* holds none: leave it out, or give"):
        load_task(tmp_path, window=(40, 400))


def test_a_list_of_images_names_each_frame(tmp_path: Path) -> None:
    folder_of(tmp_path)
    images = read_image_list(tmp_path / "a", NO_COLUMNS).every_frame()
    names = [*(f"1.dcm#{n}" for n in (1, 2, 3)), "2.dcm#1", "2.dcm#2", "3.gif#1", "3.gif#2"]
    assert [path.name for path in images.names] == names
    assert images.patients == ("P1",) * 5 + ("",) * 2
    assert images.numbered[2] == (tmp_path / "a" / "1.dcm", 3)
    one = read_image_list(tmp_path / "b" / "5.png", NO_COLUMNS)
    assert one.every_frame() == ImageList(one.paths, one.patients, one.root, (0,))
    assert read_image_list(tmp_path / "a" / "3.gif", NO_COLUMNS).every_frame().root == tmp_path / "a"


def test_dicom_files_without_a_usual_name_are_images(tmp_path: Path) -> None:
    for n in range(6):
        write_dicom(tmp_path / "ab"[n % 2] / (f"IM00000{n}" if n < 3 else f"1.2.840.{n}"), [n])
    (tmp_path / "a" / "README").write_text("no image")
    write_dicom(tmp_path / "a" / "DICOMDIR", [1])
    records = read_folder(tmp_path)
    assert records.ids == ("a/1.2.840.4", "a/IM000000", "a/IM000002", "b/1.2.840.3", "b/1.2.840.5", "b/IM000001")
    assert "2 paths ignored, no image of a class: a/DICOMDIR, a/README." in records.notes
