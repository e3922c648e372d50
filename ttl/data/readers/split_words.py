"""The words that say which split a folder or a cell of a table means, in any spelling: `seg_train`, `TestData`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

WORDS = {
    "train": "train training trainval trn",
    "val": "val valid validation validate dev devel development",
    "test": "test testing tst",
}
SPLIT_WORDS = {word: split for split, words in WORDS.items() for word in words.split()}
EITHER = frozenset({"eval", "evaluation", "heldout", "holdout"})  # people call val so, and test
FILLER_WORDS = (
    "set sets data dataset datasets image images img imgs picture pictures photo photos file files folder folders dir "
    "split splits subset part parts sample samples stage fold png jpg jpeg the"
)
FILLERS = frozenset(FILLER_WORDS.split())
JOINED = FILLERS | {
    "annot",
    "annotations",
    "gt",
    "label",
    "labels",
    "mask",
    "masks",
}  # words that people write together with a split's


@dataclass(frozen=True)
class SplitName:
    """What a name says about a split: the splits of its words, and its other words; fillers and numbers left out."""

    splits: frozenset[str]
    rest: tuple[str, ...]

    @cached_property
    def split(self) -> str | None:
        """The split that is meant; None where the words leave it open. Train and val together are for training."""
        if self.splits == {"train", "val"}:
            return "train"
        return next(iter(self.splits)) if len(self.splits) == 1 else None

    @property
    def exact(self) -> str | None:
        """The split, where the name says nothing else."""
        return None if self.rest else self.split


def split_name(name: str) -> SplitName:
    """What the words of a name say: case, separators, numbers and words such as `set` or `images` don't matter."""
    splits: set[str] = set()
    rest = []
    for word in words_of(name):
        if word in EITHER:
            splits |= {"val", "test"}
        elif word in SPLIT_WORDS:
            splits.add(SPLIT_WORDS[word])
        elif word not in FILLERS and not word.isdecimal():
            rest.append(word)
    return SplitName(frozenset(splits), tuple(rest))


def split_meant(text: str) -> str | None:
    """`train`, `val` or `test`, where that is all that a cell or a name says."""
    return split_name(text).exact


def words_of(name: str) -> Iterator[str]:
    """The words of a name in small letters: `TrainData_2` gives train, data, 2, and so does `traindata2`."""
    for chunk in re.findall(r"\d+|[^\W\d_]+", unicodedata.normalize("NFKC", name)):
        whole = list(_divided(chunk.casefold()))
        if len(whole) > 1 or whole[0] in SPLIT_WORDS or chunk.isdecimal():
            yield from whole
            continue
        for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z]+", chunk):
            yield from _divided(part.casefold())


def _divided(word: str) -> Iterator[str]:
    """`trainset` as train and set: a split's word that is written together with one that says no more."""
    for filler in JOINED:
        for bare in (word.removesuffix(filler), word.removeprefix(filler)):
            if bare != word and bare in SPLIT_WORDS:
                yield from (bare, filler)
                return
    yield word
