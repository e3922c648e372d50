"""Spellings of names and numbers in tables and folders: which of them are one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

from ttl.errors import DataError
from ttl.words.counts import listed

SHOWN = 3
MARKERS = frozenset(
    {"", "nan", "na", "n/a", "n.a.", "<na>", "#n/a", "nat", "null", "nil", "unknown", "missing", "empty"}
    | {"not available", "?", "-", "--", "\N{EM DASH}", "."}
)
"""What a cell without a value holds, in small letters. Not `none`, which may be one: of earlier treatments, say."""
DASHES = {
    ord(dash): "-" for dash in "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"
}
PART = re.compile(r"[^\W\d_]+|\d+")
NUMBER = re.compile(r"\+?(-?[0-9]+)(?:\.([0-9]*?)0*)?")


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.strip().lower() in MARKERS


def plain(text: str) -> str:
    """The text without what nobody sees: spaces around it, runs of them, invisible characters; composed (NFC)."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    seen = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Cc") or letter.isspace())
    return " ".join(unicodedata.normalize("NFC", seen).split())


def spelling_key(text: str) -> str:
    """What all spellings of one name have in common, so that `Benign`, `benign.` and `BENIGN ` are one, and `0`, `0.0`.

    Case, spaces and underscores, the Unicode form, the kind of dash, quotes around it and a stop behind it are
    spelling. Leading zeros aren't: `01` may be a code.
    """
    wide = unicodedata.normalize("NFKC", plain(text)).translate(DASHES).replace("_", " ")
    bare = " ".join(wide.strip("\"'").rstrip(".,;:").split()) or wide
    if number := NUMBER.fullmatch(bare):
        return number[1] + (f".{number[2]}" if number[2] else "")
    return bare.casefold()


def one_spelling(
    values: Iterable[str], *, where: str, what: str = "class", letters_differ: bool = True
) -> tuple[Mapping[str, str], list[str]]:
    """Each spelling that occurs -> the one that its name is given, and a note on those that are taken for one.

    The commonest spelling of a name wins, of numbers the shortest one.

    Args:
        values: all of them, one an image.
        where: what they are of, as it stands in a sentence: `the column 'label' of set.csv`.
        what: one of them is.
        letters_differ: whether single letters (`A`, `a`) may be two names, so that nobody can know it.

    Raises:
        DataError: two single letters that differ in case alone.
    """
    times = Counter(values)
    spellings: dict[str, list[str]] = {}
    for value in sorted(times):
        spellings.setdefault(spelling_key(value), []).append(value)
    several = {key: own for key, own in spellings.items() if len(own) > 1}
    unclear = [own for key, own in several.items() if len(key) == 1 and key.isalpha() and len(set(map(plain, own))) > 1]
    if unclear and letters_differ:
        pairs = listed((" and ".join(map(repr, own)) for own in unclear), SHOWN)
        raise DataError(
            f"In {where} are {pairs}, letters that differ in case alone, which may be one {what} or two: spell them "
            "alike, or give them names of more than a letter."
        )
    chosen = {key: _commonest(own, times) for key, own in spellings.items()}
    pairs = listed(
        (f"{chosen[key]!r} ({', '.join(repr(v) for v in own if v != chosen[key])})" for key, own in several.items()), 3
    )
    notes = [f"In {where} spellings that differ in form alone are one {what}: {pairs}."] if several else []
    return {value: plain(chosen[key]) for key, own in spellings.items() for value in own}, notes


def _commonest(spellings: list[str], times: Counter[str]) -> str:
    if all(NUMBER.fullmatch(spelling) for spelling in spellings):
        return min(spellings, key=lambda spelling: (len(spelling), spelling))
    return max(spellings, key=lambda spelling: (times[spelling], -spellings.index(spelling)))


def nearly_alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ in zeros before numbers, or in spaces and dashes, alone: `01` and `1`, `P-3` and `p3`.

    They may be one name or two: nobody but the author of the data can say it.
    """
    first: dict[str, str] = {}
    pairs = []
    for name in sorted(set(names), key=lambda name: (len(name), name)):
        parts = PART.findall(unicodedata.normalize("NFKC", name).casefold())
        digits = [part.lstrip("0") or "0" if part.isdecimal() else part for part in parts]
        key = "".join(f".{part}" if part.isdecimal() else part for part in digits)
        if NUMBER.fullmatch(name) and not name.isdecimal():  # a sign or decimals say something
            continue
        other = first.setdefault(key, name)
        if other != name:
            pairs.append((other, name))
    return pairs


def alike_words(names: Iterable[str], what: str) -> str:
    """Those pairs as a sentence's part, `'1' and '01' count as different patients: ...`; empty where there are none."""
    pairs = nearly_alike(names)
    if not pairs:
        return ""
    named = listed((f"{short!r} and {long!r}" for short, long in pairs), SHOWN)
    return f"{named} count as different {what}: write them alike where they are one"
