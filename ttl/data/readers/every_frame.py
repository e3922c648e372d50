"""Files with several frames as so many images."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from ttl.data.modality.dicom import read_frames
from ttl.data.modality.dicom_header import HEAD, frame_count, is_dicom, parsed
from ttl.data.modality.facts import Facts
from ttl.data.modality.frames import frames_of
from ttl.data.modality.image import facts_of, why
from ttl.data.modality.rendering import Rendering


def check_frames(path: Path, rendering: Rendering) -> tuple[Facts, ...] | str:
    """What each frame of a file holds, or the few words that say why one of them can't be read."""
    try:
        data = path.read_bytes()
        if not data:
            return "an empty file"
        if is_dicom(data):
            return tuple(facts for _, facts in read_frames(data, rendering))
        count, file = frames_in(path), hashlib.sha256(data)
        numbers = range(1, count + 1) if count > 1 else (0,)
        return tuple(facts_of(data, file, rendering.at(number)) for number in numbers)
    except Exception as error:  # nearly anything, of a damaged file
        return why(error)


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
