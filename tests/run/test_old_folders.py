"""Run folders of version 0.1: what they hold is read, and a run isn't gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toy_runs import content_of, tiny
from ttl.errors import RunFolderError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.report import read_report, write_report
from ttl.run import check, export, run
from ttl.run.delivering import subjects_of

NEW_OF_TRIALS = ("run", "distance_unit", "heads", "weights_sha256", "predictions_sha256")


def as_0_1(folder: Path) -> Path:
    """The JSON files of a run folder as version 0.1 wrote them: no digests, other names."""
    for path in (folder / "run.json", folder / "report.json", folder / "exports.json", *folder.glob("trials/*/*.json")):
        content = json.loads(path.read_text())
        del content["content_sha256"]
        if path.name == "run.json":
            content = {**content, "schema": 1, "versions": {**content["versions"], "ttl": "0.1.0"}}
            del content["id"], content["splits_sha256"]
        elif path.name == "report.json":
            del content["schema_version"]
        elif path.name == "trial.json":
            content = {key: value for key, value in content.items() if key not in NEW_OF_TRIALS}
        elif path.name == "bundle.json":
            content = bundle_as_0_1(content)
        path.write_text(json.dumps(content))
    return folder


def bundle_as_0_1(content: dict[str, Any]) -> dict[str, Any]:
    point, contract = content["point"], content["contract"]
    (side, _) = point.pop("sides")
    kept = ("kind", "class_names", "channels", "mean", "std", "interpolation", "weights", "recipe", "data_fingerprint")
    return {
        "backbone": contract["backbone"],
        "image_size": side,
        "point": {**point, "image_size": side},
        **{key: contract[key] for key in (*kept, "divisor", "window", "metrics")},
        "pool": content["pool"],
        "dropout": content["dropout"],
    }


def test_what_version_0_1_left_is_read(copied: Path) -> None:
    report = read_report(copied)
    as_0_1(copied)
    assert read_report(copied).chosen == report.chosen
    assert write_report(copied).is_file()
    assert report.chosen is not None
    _, bundle = load_bundle(copied / "trials" / report.chosen.trial)
    assert bundle.contract.provenance.network == "test_resnet"
    (record,) = export(copied, ExportConfig())
    assert record.state == "passed"
    assert [file["file"] for file in content_of(copied)["exports"]] == ["model.onnx", "full.onnx"]
    assert {subject.name for subject in subjects_of(copied, compiled=False)} == {"model.onnx", "full.onnx"}
    assert not [state for state in check(copied) if state.state in ("damaged", "missing")]


def test_a_run_of_version_0_1_is_not_gone_on_with(copied: Path) -> None:
    as_0_1(copied)
    with pytest.raises(
        RunFolderError,
        match=r"was made by ttl 0\.1\.0, which named its fine-tunes otherwise: its report and files can be used, but "
        r"to go on give another folder with --out",
    ):
        run(tiny(copied))
