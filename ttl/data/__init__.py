"""Data sets: from a path to a checked task with three splits, and on to uint8 tensors."""

from ttl.data.augment import AUGMENTATIONS, Augment, augmentation
from ttl.data.cache import decode
from ttl.data.describe import describe
from ttl.data.image import open_image
from ttl.data.kind import KINDS, Kind
from ttl.data.pairs import Pairs, decode_pairs
from ttl.data.read_task import Columns, load_task
from ttl.data.splits_file import write_splits
from ttl.data.task import IGNORE, ImageSource, MaskSource, Samples, Task
from ttl.data.walk import find_images

__all__ = [
    "AUGMENTATIONS",
    "IGNORE",
    "KINDS",
    "Augment",
    "Columns",
    "ImageSource",
    "Kind",
    "MaskSource",
    "Pairs",
    "Samples",
    "Task",
    "augmentation",
    "decode",
    "decode_pairs",
    "describe",
    "find_images",
    "load_task",
    "open_image",
    "write_splits",
]
