"""report.json: what is written is read as it was, and what doesn't fit is named."""

from __future__ import annotations

import json
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest

from ttl.data.kind import KINDS
from ttl.deliver.pictures.cases import CamCases
from ttl.errors import RunFolderError
from ttl.report import read_report, report_of, write_report
from ttl.report.schema import on_test, searched
from ttl.typed import SEAL, to_json

from . import example, segmented
from .example import changed
from .test_page import STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_what_is_written_is_read_as_it_was(tmp_path: Path, study: Any) -> None:
    example.save(tmp_path, study())
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert to_json(read_report(tmp_path)) == {key: value for key, value in content.items() if key != SEAL}
    assert (content["schema"], content["schema_version"]) == (1, 1)


def test_what_a_run_lacks_has_no_key_and_what_it_has_not_yet_is_empty() -> None:
    content = to_json(example.unfinished())
    for key in (
        "full",
        "chosen",
        "comparison",
        "curves",
        "confusion",
        "calibration",
        "per_class",
        "export",
        "overlays",
    ):
        assert key not in content
    assert (content["svcca"]["threshold"], content["latency"], content["exports"]) == (0.1, [], [])
    assert to_json(changed(example.unfinished(), "svcca", searched.Svcca()))["svcca"] == {}
    assert "stopped" not in content["search"]
    assert content["search"]["reason"] is None
    assert {"encoder_params", "enters"}.isdisjoint(content["points"][0])


def test_keys_are_those_of_the_field() -> None:
    content = to_json(example.finished())
    assert content["curves"]["full"][0]["class"] == "pneumonia"
    assert content["curves"]["full"][0]["roc"]["threshold"] == [None, 0.93, 0.5, 0.22, 0.01]
    assert content["cams"]["cases"][0]["says"]["full"] == {"class": "pneumonia", "probability": 0.81, "right": True}
    assert "epochs" not in content["search"]["steps"][0]
    whole = to_json(segmented.finished())["points"][-1]
    assert (whole["enters"], whole["encoder_params"]) == (None, 11_176_512)
    assert "parity_tolerance" not in content["exports"][0]
    unbound = to_json(changed(example.finished(), "exports.0.parity_tolerance", nan))
    assert unbound["exports"][0]["parity_tolerance"] is None
    missing = CamCases(missing="it reads tokens")
    assert to_json(replace(example.finished(), cams=missing))["cams"] == {"missing": "it reads tokens"}


def test_a_file_without_a_version_is_of_the_first_and_unknown_keys_are_left_alone() -> None:
    content = to_json(example.finished())
    del content["schema_version"]
    study = report_of(content | {"of_a_later_version": 1}, where="report.json")
    assert study == report_of(to_json(example.finished()), where="report.json")
    assert study.schema_version == 1


def kept(old: Any, new: Any) -> bool:
    """Whether all that an older file holds is there still, with the same values."""
    if isinstance(old, dict):
        return all(key in new and kept(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(kept, old, new))
    return bool(old == new)


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("xray", "tv:mobilenet_v2 cut at features.7 is not shown to be as good as the whole network"),
        ("nuclei", "Cut unet:mobilenet_v2 at encoder.features.7: as good as the whole U-Net"),
    ],
)
def test_a_report_of_version_0_1_is_read(tmp_path: Path, name: str, heading: str) -> None:
    """Real ones, shortened: without a version, a digest, or the keys that came later."""
    content = json.loads((Path(__file__).parent / f"{name}_of_version_0_1.json").read_text(encoding="utf-8"))
    assert {"schema_version", SEAL}.isdisjoint(content)
    (tmp_path / "report.json").write_text(json.dumps(content), encoding="utf-8")
    assert kept(content, to_json(read_report(tmp_path)))
    assert heading in write_report(tmp_path).read_text(encoding="utf-8").replace("<wbr>", "")


WRONG = [
    ("chosen.params", "many", "the field chosen.params: input should be a valid integer"),
    ("points.3.macs", None, "the field points.3.PointRecord.macs: input should be a valid integer"),
    ("points.0.index", 0, "its content: the indices of the points don't rise from 1 on"),
    ("points.4.index", 9, "its content: the indices of the points don't rise from 1 on"),
    ("points", [], "the field points: tuple should have at least 1 item"),
    ("candidates.0.val.auprc.value", "0.9", "the field candidates.0.val.auprc.value: input should be a valid number"),
    ("task.kind", "regression", "the field task.kind: input should be 'binary', 'multiclass', 'multilabel' or"),
    ("status", "done", "the field status: input should be 'finished' or 'unfinished'"),
    ("latency.1.runs", 2.5, "the field latency.1.runs"),
    ("run.hardware.cores", "two", "the field run.hardware.cores: input should be a valid integer"),
    ("chosen.cut", "layer9", "its content: there is no truncation point called layer9"),
    ("probe.0.cut", "layer9", "its content: there is no truncation point called layer9"),
    ("curves.full.0.roc.sensitivity", [0.5], "the field curves.full.0.roc: its lists are not of one length"),
    ("confusion.full", [[1, 2]], "the field confusion.Confusion: a matrix isn't square"),
    ("confusion.full", [[1]], "its content: the confusion matrices have not a row for each of the class names"),
    ("calibration.full.histogram.edges", [0, 1], "the field calibration.full.histogram: there must be counts, and one"),
    ("calibration.full.histogram.edges.2", 0.6, "the field calibration.full.histogram: the edges don't rise"),
    ("calibration.full.bins", [], "the field calibration.full.bins: tuple should have at least 1 item"),
    ("svcca.random", [0.1], "the field svcca: random has not five percentiles"),
    ("svcca.points.0.percentiles", [0.1], "the field svcca.points.0.percentiles"),
    ("task.split_images", {"train": 1}, "the field task: split_images has not just train, val, test"),
    ("task.class_names", ["normal"], "the field task: counts has not just the class names"),
]


@pytest.mark.parametrize(("path", "value", "reason"), WRONG)
def test_a_field_that_does_not_fit_is_named(tmp_path: Path, path: str, value: Any, reason: str) -> None:
    content = to_json(example.finished())
    *trail, last = path.split(".")
    parent = content
    for key in trail:
        parent = parent[int(key) if isinstance(parent, list) else key]
    parent[int(last) if isinstance(parent, list) else last] = value
    (tmp_path / "report.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError) as raised:
        write_report(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path / 'report.json'} can't be trusted: {reason}")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("key", ["task", "points", "search", "metric"])
def test_a_field_that_is_missing_is_named(key: str) -> None:
    content = to_json(example.finished())
    del content[key]
    with pytest.raises(RunFolderError, match=f"R can't be trusted: the field {key} is missing; it is damaged"):
        report_of(content, where="R")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"report\.json does not exist: give the folder of a `ttl run` or `ttl search`\."),
        ("{", r"report\.json can't be read: it isn't JSON \(.*\); it is damaged"),
        ("[]", r"report\.json can't be trusted: its content: input should be an object"),
        ("null", r"report\.json can't be read: it holds nothing"),
        ('{"schema": 9}', r"has schema 9 in version 1, and this ttl reads schema 1 up to version 1: use the ttl that"),
        ('{"schema_version": 2}', r"has schema 1 in version 2, and this ttl reads schema 1 up to version 1: use the"),
        ('{"schema_version": "2"}', "the field schema_version: input should be a valid integer"),
    ],
)
def test_a_report_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunFolderError, match=message):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_several_labels_are_recognised_by_their_matrices() -> None:
    study = example.finished()
    labels = on_test.LabelConfusion(split="test", threshold=0.5, full=(((7, 2), (3, 8)), ((5, 0), (4, 1))))
    content = to_json(replace(study, task=replace(study.task, kind=KINDS["multilabel"]), confusion=labels))
    assert report_of(content, where="R").confusion == labels
    content["confusion"]["full"][0] = [[1, 2]]
    with pytest.raises(RunFolderError, match=r"the field confusion\.\w+\.full\.0"):
        report_of(content, where="R")
