"""What a spreadsheet would compute is text in every CSV that is written, and is read back as it was."""

import csv

import pytest

from ttl.words.csv_text import as_cell, csv_text, from_cell


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''-x", "-", "=1,2"])
def test_formulas_are_texts_and_come_back(text: str) -> None:
    written = next(csv.reader(csv_text([[text]]).splitlines()))[0]
    assert written == "'" + text
    assert from_cell(written) == text


@pytest.mark.parametrize("value", ["-0.15", "+3e5", "-inf", "a=b", "'tis", "", "p-1", -0.5, 3])
def test_numbers_and_other_texts_stay_as_they_are(value: object) -> None:
    assert as_cell(value) == value
    assert from_cell(str(value)) == str(value)
