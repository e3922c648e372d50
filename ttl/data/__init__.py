"""Data sets: from a path to a checked task with three splits, and on to uint8 tensors."""

from ttl.data.cache import Pairs as Pairs
from ttl.data.cache import decode as decode
from ttl.data.cache import decode_pairs as decode_pairs
from ttl.data.describe import describe as describe
from ttl.data.kind import KINDS as KINDS
from ttl.data.kind import Kind as Kind
from ttl.data.modality.augment import AUGMENTATIONS as AUGMENTATIONS
from ttl.data.modality.augment import Augment as Augment
from ttl.data.modality.augment import augmentation as augmentation
from ttl.data.modality.eight_bits import remark as remark
from ttl.data.modality.image import image_or_reason as image_or_reason
from ttl.data.modality.image import open_image as open_image
from ttl.data.read_task import load_task as load_task
from ttl.data.readers.image_list import ImageList as ImageList
from ttl.data.readers.image_list import read_image_list as read_image_list
from ttl.data.readers.image_list import read_image_lists as read_image_lists
from ttl.data.readers.table_file import Columns as Columns
from ttl.data.sources import ImageSource as ImageSource
from ttl.data.sources import MaskSource as MaskSource
from ttl.data.splits_file import write_splits as write_splits
from ttl.data.task import IGNORE as IGNORE
from ttl.data.task import Samples as Samples
from ttl.data.task import Task as Task
