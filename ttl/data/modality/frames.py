"""Which frame of a file with several is read."""

from __future__ import annotations

from PIL import Image

from ttl.data.modality.rendering import Frame
from ttl.errors import DataError

SUBFILE_TYPE = 254  # the TIFF tag that says what a page is
REDUCED_OR_MASK = 1 | 4  # bits of it: a smaller copy of another page, the mask of one


def frame_number(asked: Frame, count: int) -> int:
    """The number of the frame, from 1 on, of a file of `count`; the middle one of an even number is the later.

    Raises:
        DataError: there are fewer, or one was to be chosen of several and all are asked for.
    """
    if asked == "all":
        if count > 1:
            raise DataError(f"it has {count} frames, and one is needed here: give --frame first, middle or a number")
        return 1
    number = {"first": 1, "middle": count // 2 + 1}.get(asked, asked) if isinstance(asked, str) else asked
    if not isinstance(number, int) or number > count:
        frames = "1 frame" if count == 1 else f"{count} frames"
        raise DataError(f"it has {frames} and no frame {number}: give a smaller --frame")
    return number


def frames_of(image: Image.Image) -> tuple[int, ...]:
    """Where each frame is among what an open image file holds.

    The second picture of a JPEG is a preview, or what another lens sees, and no frame; nor are the smaller copies that
    a TIFF has of its pages.
    """
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return (0,)
    places = tuple(range(int(getattr(image, "n_frames", 1))))
    if image.format != "TIFF":
        return places
    now, kept = image.tell(), []
    for place in places:
        image.seek(place)
        if not int(getattr(image, "tag_v2", {}).get(SUBFILE_TYPE) or 0) & REDUCED_OR_MASK:
            kept.append(place)
    image.seek(now)
    return tuple(kept) or places


def to_frame(image: Image.Image, asked: Frame) -> int:
    """Goes to the frame that is asked for; its number, from 1 on, or 0 where the file has but one.

    Raises:
        DataError: see `frame_number`.
    """
    if asked == "first" and image.format == "GIF":  # counting them would decode all
        return int(getattr(image, "is_animated", False))
    places = frames_of(image)
    number = frame_number(asked, len(places))
    if places[number - 1] != image.tell():
        image.seek(places[number - 1])
    return number if len(places) > 1 else 0
