"""Whose each image is: names that are patients, names that are none, and what keeps images together without any."""

from __future__ import annotations

import pytest

from ttl.data.modality.facts import Facts
from ttl.data.readers.header_patients import by_header
from ttl.data.readers.identity import grouped, patient_name

COLUMN = "the column 'patient'"
EACH = "each counts as a patient of its own."


def header(patient: str = "", study: str = "", frame: int = 0) -> Facts:
    return Facts(b"", 1, 1, 1, patient=patient, study=study, frame=frame)


@pytest.mark.parametrize("text", ["nan", "N/A", "ANONYMOUS", "Anonymized", "XXXX", "**", "-", " \0", ""])
def test_what_names_nobody(text: str) -> None:
    assert not patient_name(text)


@pytest.mark.parametrize(
    ("text", "name"), [(" P7 \0", "P7"), ("ANON001", "ANON001"), ("0", "0"), ("e\u0301", "\u00e9")]
)
def test_what_is_a_patients_name(text: str, name: str) -> None:
    assert patient_name(text) == name


def test_known_patients_make_groups_and_an_unknown_one_is_a_group_of_its_own() -> None:
    groups, notes = grouped(["P1", "P2", "P1", None, "nan"], list("abcde"), where=COLUMN)
    assert groups == ("P1", "P2", "P1", "d", "e")
    assert notes == ["Grouped by the column 'patient': 2 patients; of 2 images none is known (d, e): " + EACH]


def test_an_image_that_is_called_as_a_patient_is_not_the_patients() -> None:
    assert grouped(["a", "b", ""], ["x", "y", "a"], where=COLUMN)[0] == ("a", "b", "a'")


def test_upper_and_lower_case_make_no_two_patients() -> None:
    groups, notes = grouped(["p1", "P1 ", "P2"], list("abc"), where=COLUMN)
    assert groups == ("P1", "P1", "P2")
    assert notes[0] == "Grouped by the column 'patient': 2 patients."
    assert "spellings that differ in form alone are one patient" in notes[1]


def test_one_name_for_all_is_none() -> None:
    groups, notes = grouped(["HOSPITAL", "", "HOSPITAL"], list("abc"), where=COLUMN)
    assert groups is None
    assert notes == [
        "Not grouped by the column 'patient': there is one name, 'HOSPITAL', for 2 images, as anonymising leaves it."
    ]
    assert grouped(["P1", "P1", "", "", ""], list("abcde"), where=COLUMN)[0] == ("P1", "P1", "c", "d", "e")


def test_nothing_known_makes_no_groups() -> None:
    assert grouped([None, "", ""], list("abc"), where=COLUMN) == (None, [])
    nobody = "No patient is known by the column 'patient': it is empty, or names nobody."
    assert grouped([None, "", "ANONYMOUS"], list("abc"), where=COLUMN) == (None, [nobody])


def test_a_study_knows_the_patient_whom_one_of_its_files_lacks() -> None:
    facts = [header("P1", "1.1"), header("", "1.1"), header("P2", "1.2"), header("", "1.3"), header("", "1.3")]
    whose = by_header(facts, list("abcde"))
    assert whose.unknown == {"d", "e"}
    assert whose.groups == ("P1", "P1", "P2", "1.3", "1.3")
    assert whose.notes == (
        "Grouped by the headers' PatientID: 2 patients; of 2 images none is known (d, e): " + EACH,
        "2 images without a known patient: those of one study (StudyInstanceUID) are kept together.",
    )


def test_a_study_of_two_patients_knows_none() -> None:
    facts = [header("P1", "1.1"), header("P2", "1.1"), header("", "1.1"), header("P1", "1.2")]
    assert by_header(facts, list("abcd")).groups == ("P1", "P2", "1.1", "P1")


def test_anonymised_files_are_kept_together_by_their_study_unless_it_is_one_for_all() -> None:
    facts = [header("ANONYMOUS", study) for study in ("1.1", "1.2", "1.1", "1.2")]
    assert by_header(facts, list("abcd")).groups == ("1.1", "1.2", "1.1", "1.2")
    assert by_header([header("X1", "1.1")] * 4, list("abcd")).groups is None


def test_the_frames_of_a_file_are_kept_together() -> None:
    facts = [header(frame=1), header(frame=2), header(), header("", "", 2)]
    assert by_header(facts, ["a.dcm#1", "a.dcm#2", "b.dcm", "c.gif"]).groups == ("a.dcm", "a.dcm", "b.dcm", "c.gif")
