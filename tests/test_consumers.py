"""Whether a test that needs a foreign program may be skipped."""

from __future__ import annotations

import pytest

import consumers

pytest_plugins = "pytester"

TESTS = """
import pytest

@pytest.fixture
def engine():
    pytest.skip("Ray isn't installed")

@pytest.mark.consumers
def test_there():
    pytest.skip("none of chromium, google-chrome is installed")

@pytest.mark.consumers
def test_in_a_fixture(engine): ...

@pytest.mark.consumers
def test_absent():
    pytest.importorskip("openvino_that_nobody_has", reason="OpenVINO isn't installed")

@pytest.mark.consumers
def test_for_another_reason():
    pytest.skip("not today")

@pytest.mark.consumers
@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    raise ValueError("node")

def test_of_no_program():
    pytest.skip("Ray has the day off")
"""


def test_a_skip_is_a_failure_where_the_program_is_there(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "is_there", {"Chromium": True, "Ray": True, "OpenVINO": False}.__getitem__)
    pytester.makeconftest("from consumers import pytest_runtest_makereport")
    pytester.makeini("[pytest]\nmarkers = consumers")
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-ra")
    result.assert_outcomes(failed=2, errors=1, skipped=2, xfailed=1)
    result.stdout.fnmatch_lines_random(
        [
            "Chromium can be had here. It was skipped: *none of chromium, google-chrome is installed",
            "Ray can be had here. It was skipped: *Ray isn't installed",
            "The reason names none of Chromium, node, OpenVINO, Ray. It was skipped: *not today",
            "SKIPPED * OpenVINO isn't installed",
        ]
    )


def test_a_program_is_looked_for_on_the_path_and_among_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(consumers.PROGRAMS, "node", ("no-such-command", "json"))
    monkeypatch.setitem(consumers.PROGRAMS, "Ray", ("sh",))
    monkeypatch.setitem(consumers.PROGRAMS, "Chromium", ("no-such-command", "no_such_module"))
    assert [consumers.is_there(name) for name in ("node", "Ray", "Chromium")] == [True, True, False]
