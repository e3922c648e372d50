"""The test images are looked at once: after the choice, by two networks, and every look is on record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toy_runs import content_of, tiny
from ttl.export.bundle import read_bundle
from ttl.export.options import ExportConfig
from ttl.run import export, finetune, run
from ttl.run.events import Event, Note
from ttl.study.folder import Study
from ttl.study.ledger import Look, enter, read_ledger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("tested")
    run(tiny(out, model="test_resnet", seeds=2))
    return out


def with_test(folder: Path) -> set[str]:
    """The trials that have predictions of the test images."""
    return {path.parent.name for path in folder.glob("trials/*/test.json")}


def words_of_test(folder: Path) -> list[str]:
    """Every place in a run folder that has a figure or a prediction of the test images."""

    def places(content: object, at: str) -> list[str]:
        if isinstance(content, dict):
            own = [at] if any("test" in key for key, value in content.items() if value and "split" not in key) else []
            return own + [place for key, value in content.items() for place in places(value, f"{at}.{key}")]
        return [place for value in content for place in places(value, at)] if isinstance(content, list) else []

    counts = ("counts", "groups", "split_images", "config", "task")
    found = [place for path in folder.rglob("*.json") for place in places(json.loads(path.read_text()), path.name)]
    return [place for place in found if not any(f".{name}" in place for name in counts)]


def test_a_search_under_way_has_no_test_figure(tmp_path: Path) -> None:
    looked: list[str] = []

    def watch(event: Event) -> None:
        looked.extend(map(str, tmp_path.glob("trials/*/test.json")))
        looked.extend(words_of_test(tmp_path))

    run(tiny(tmp_path), deliver=False, watch=watch)
    assert looked == []
    assert words_of_test(tmp_path) == []
    assert not (tmp_path / "ledger.json").exists()


def test_only_the_chosen_and_the_whole_network_are_tested_with_all_their_seeds(folder: Path) -> None:
    content = content_of(folder)
    results = {content["chosen"]["cut"], content["full"]["cut"]}
    wanted = {trial for one in content["candidates"] if one["cut"] in results for trial in one["trials"]}
    assert with_test(folder) == wanted
    assert len(content["candidates"]) > len(results)  # others were tried
    assert {one["cut"] for one in content["candidates"] if one["test"]} == results
    looks = read_ledger(Study(folder)).looks
    assert {look.trial for look in looks if look.file is None} == wanted
    assert {look.file for look in looks} == {None, "model.onnx", "full.onnx"}
    assert {look.occasion for look in looks} == {"run"}
    assert [file["looks"] for file in content["exports"]] == [
        number for number, look in enumerate(looks, 1) if look.file is not None
    ]


def test_the_same_command_again_is_no_further_look(folder: Path) -> None:
    before = (folder / "ledger.json").read_bytes()
    run(tiny(folder, model="test_resnet", seeds=2))
    assert (folder / "ledger.json").read_bytes() == before


def test_an_export_is_a_look_each_time(folder: Path) -> None:
    before = len(read_ledger(Study(folder)).looks)
    for number in (1, 2):
        (record,) = export(folder, ExportConfig(precision=("fp16",)))
        assert record.looks == before + number
        assert f"looked at {before + number} times" in (folder / "model.fp16.md").read_text()
    added = read_ledger(Study(folder)).looks[before:]
    assert [(look.occasion, look.file) for look in added] == [("export", "model.fp16.onnx")] * 2


def test_finetune_tests_only_when_asked(tmp_path: Path) -> None:
    assert finetune(tiny(tmp_path), "layer1.0").tested == {}
    assert not (tmp_path / "ledger.json").exists()
    tuned = finetune(tiny(tmp_path), "layer1.0", test=True)
    assert set(tuned.tested) == {tuned.record.id} == with_test(tmp_path)
    (look,) = read_ledger(Study(tmp_path)).looks
    assert (look.occasion, look.trial, look.images) == (
        "finetune --test",
        tuned.record.id,
        len(tuned.tested[look.trial].rows),
    )


def test_damaged_predictions_are_made_again_and_said(tmp_path: Path) -> None:
    tuned = finetune(tiny(tmp_path), "layer1.0", test=True)
    path = tuned.folder / "test.json"
    whole = path.read_text()
    path.write_text(whole.replace("0.", "1.", 1))
    events: list[Event] = []
    again = finetune(tiny(tmp_path), "layer1.0", test=True, watch=events.append)
    assert path.read_text() == whole
    assert (again.tested[again.record.id].rows == tuned.tested[tuned.record.id].rows).all()
    assert any(isinstance(event, Note) and "test.json can't be trusted" in event.text for event in events)
    assert len(read_ledger(Study(tmp_path)).looks) == 1


def test_a_look_is_written_once_unless_it_is_taken_again(tmp_path: Path) -> None:
    study, look = Study(tmp_path), Look(occasion="run", trial="a", images=3)
    for again in (False, False, True):
        enter(study, look, again=again)
    enter(study, Look(occasion="run", trial="a", images=3, file="model.onnx"))
    assert len(read_ledger(study).looks) == 3
    assert all(each.at for each in read_ledger(study).looks)


def test_a_saved_model_says_that_it_is_undertrained(tmp_path: Path) -> None:
    for name, lr in (("short", 1e-6), ("enough", 3e-3)):
        tuned = finetune(tiny(tmp_path / name, lr=lr), "layer1.0")
        assert (tuned.record.undertrained is None) == (name == "enough")
        words = tuned.record.undertrained.words() if tuned.record.undertrained else None
        assert read_bundle(tuned.folder).contract.undertrained == words
