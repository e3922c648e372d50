"""Lists in messages: as long as can be read."""

from __future__ import annotations

from ttl.words.counts import counted, grouped_reasons, listed
from ttl.words.text import printable, shortened


def test_lists_name_the_first_and_count_the_others() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed("abcdef", 3) == "a, b, c and 3 more"
    assert listed([]) == ""
    assert counted(2, "class") == "2 classes"


def test_lists_of_long_names_stay_short() -> None:
    text = listed(["x" * 80 + str(i) for i in range(9)])
    assert text == ", ".join("x" * 80 + str(i) for i in range(2)) + " and 7 more"
    (one,) = listed(["y" * 900 + ".png"]).split(", ")
    assert one.startswith("yyy")
    assert one.endswith("yyy.png")
    assert len(one) == 100


def test_equal_reasons_are_one() -> None:
    reasons = {f"{i}.png": "cut off before its end" for i in range(12)} | {"z.png": "an empty file"}
    assert (
        grouped_reasons(reasons)
        == "12 files: cut off before its end (0.png, 1.png, 2.png and 9 more), z.png (an empty file)"
    )
    assert grouped_reasons({"a": "x", "b": "y"}) == "a (x), b (y)"
    assert grouped_reasons({}) == ""


def test_many_reasons_are_counted_the_rarest_last() -> None:
    reasons = {f"{i}.png": f"reason {i}" for i in range(30)} | {f"c{i}": "common" for i in range(5)}
    text = grouped_reasons(reasons)
    assert text.startswith("5 files: common (c0, c1, c2 and 2 more), 0.png (reason 0), ")
    assert text.endswith("6.png (reason 6) and 23 more")


def test_reasons_of_any_length_fit_into_a_line() -> None:
    reasons = {"n" * 300 + str(i): "r" * 300 + str(i) for i in range(20)}
    assert len(grouped_reasons(reasons)) < 460
    assert grouped_reasons(reasons).endswith(" and 19 more")


def test_what_is_too_long_loses_its_middle() -> None:
    assert shortened("a" * 600) == "a" * 600
    text = shortened("The beginning " + "x" * 900 + " the remedy.")
    assert len(text) == 600
    assert text.startswith("The beginning xxx")
    assert text.endswith("xxx the remedy.")


def test_bytes_that_are_not_utf_8_are_written_as_such() -> None:
    assert printable("a\udcff\udc80.png") == "a\\xff\\x80.png"
    assert (
        printable("K\N{LATIN SMALL LETTER A WITH DIAERESIS}se \N{SKULL}")
        == "K\N{LATIN SMALL LETTER A WITH DIAERESIS}se \N{SKULL}"
    )
