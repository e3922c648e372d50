"""Damaged and odd inputs, through the commands that people type: a short run of `benchmarks/fuzz.py`."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SEED = 20


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return import_module("fuzz")


@pytest.fixture(scope="module")
def root(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    fuzz.sound_inputs(folder)
    return folder


def test_changed_inputs_end_in_a_sentence_or_work(
    fuzz: ModuleType, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at every door."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ends = {}
    for number in range(2 * len(fuzz.DOORS)):
        door, changed, words = fuzz.one_input(number, SEED, root)
        ends[number, door.name, changed.name] = fuzz.typed(words)
    assert {at: said for at, (kind, said) in ends.items() if kind in fuzz.FAULTS} == {}
    assert {kind for kind, _ in ends.values()} == {"works", "clean error"}


def test_an_input_is_made_from_its_number_alone(fuzz: ModuleType, root: Path) -> None:
    for number in range(len(fuzz.DOORS)):
        one, again = (fuzz.one_input(number, SEED, root)[1] for _ in range(2))
        assert one != again
        assert one.read_bytes() == again.read_bytes()


def test_what_a_fault_is(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzz.typed(["points", "test_resnet", "--image-size", "32"]) == ("works", "")
    assert fuzz.typed(["plan", "nowhere", *fuzz.NETWORK])[0] == "clean error"
    from ttl.errors import DataError

    def fails(error: Exception) -> tuple[str, str]:
        def raising(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(import_module("ttl.run"), "plan", raising)
        return fuzz.typed(["plan", "digits", *fuzz.NETWORK])

    assert fails(ZeroDivisionError("one by none"))[0] == "traceback"
    assert len(fails(DataError("x" * 700))[1]) == len("ttl: ") + 600
    assert fails(DataError("short"))[0] == "unclear message"
    assert fails(DataError("The folder is empty: put images into it."))[0] == "clean error"
