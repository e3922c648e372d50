"""Files with several frames as so many images."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ttl.data.modality.dicom import read_frames
from ttl.data.modality.dicom_header import HEAD, frame_count, is_dicom, parsed
from ttl.data.modality.facts import Facts
from ttl.data.modality.frames import frames_of
from ttl.data.modality.image import check_image, why
from ttl.data.modality.rendering import Rendering


def check_frames(path: Path, rendering: Rendering) -> tuple[Facts, ...] | str:
    """What each frame of a file holds, or the few words that say why one of them can't be read."""
    try:
        with path.open("rb") as file:
            if is_dicom(file.read(HEAD)):
                return tuple(facts for _, facts in read_frames(path.read_bytes(), rendering))
        count = frames_in(path)
    except Exception as error:  # nearly anything, of a damaged file
        return why(error)
    found = []
    for number in range(1, count + 1) if count > 1 else (0,):
        facts = check_image(path, rendering.at(number))
        if isinstance(facts, str):
            return f"frame {number}: {facts}" if number else facts
        found.append(facts)
    return tuple(found)


def frames_in(path: Path) -> int:
    """How many frames a file has; 1 where it can't be read, which whoever opens it says."""
    try:
        with path.open("rb") as file:
            if is_dicom(file.read(HEAD)):
                return frame_count(parsed(path.read_bytes()))
            with Image.open(path) as image:
                return len(frames_of(image))
    except Exception:  # nearly anything, of a damaged file
        return 1


def frame_id(file: str, number: int) -> str:
    """The id of a frame among all those of its file; the file's own where it has but one."""
    return f"{file}#{number}" if number else file


def file_id(own: str, facts: Facts) -> str:
    """The id of the file that an image is of, the only one or one of its frames."""
    return own.removesuffix(f"#{facts.frame}")
