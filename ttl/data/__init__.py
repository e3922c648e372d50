"""Data sets: from a path to a checked task with three splits, and on to uint8 tensors."""

from ttl.data.cache import decode
from ttl.data.describe import describe
from ttl.data.kind import KINDS, Kind
from ttl.data.modality.augment import AUGMENTATIONS, Augment, augmentation
from ttl.data.modality.image import open_image
from ttl.data.pairs import Pairs, decode_pairs
from ttl.data.read_task import load_task
from ttl.data.readers.table import Columns
from ttl.data.readers.walk import find_images
from ttl.data.sources import ImageSource, MaskSource
from ttl.data.splits_file import write_splits
from ttl.data.task import IGNORE, Samples, Task

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
