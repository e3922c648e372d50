"""--folds: the choice is made out of fold, and what is delivered learned from train and val alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ttl
from toy_runs import content_of, squares, tiny, tiny_unet
from ttl.config import RunConfig
from ttl.data.folds import fold_task, folds_of, pooled
from ttl.errors import DataError, UsageError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.options.read_options import python_options
from ttl.run import check, export, run, trial_run
from ttl.stats import metrics
from ttl.study.record import TrialRecord
from ttl.study.undertrained import Undertrained

OPTIONS = {"data": "digits:8-9", "folds": 3, "strategy": "joint", "epochs": 2, "max_params": "100k", "margin": 0.2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cross-validated run."""
    out = tmp_path_factory.mktemp("folds")
    run(tiny(out, **OPTIONS))
    return out


def test_every_image_is_in_one_fold_and_no_patient_in_two() -> None:
    task = pooled(ttl.load_task("digits:0-2"))
    of = folds_of(task.train, 4, seed=0)
    assert [(of == fold).sum() for fold in range(4)] == pytest.approx([len(of) / 4] * 4, abs=3)
    parts = [fold_task(task, fold, 4, 0) for fold in range(4)]
    seen = [name for part in parts for name in part.val.ids]
    assert sorted(seen) == sorted(task.train.ids)
    assert all(not set(part.train.ids) & set(part.val.ids) for part in parts)
    assert all(not set(part.test.ids) & set(task.train.ids) for part in parts)


def test_folds_leave_groups_whole_and_want_as_many() -> None:
    task = pooled(ttl.load_task("digits:0-1"))
    groups = tuple(f"p{i % 7}" for i in range(len(task.train)))
    samples = type(task.train)(**{**vars(task.train), "groups": groups})
    of = folds_of(samples, 3, seed=1)
    assert all(len(set(of[np.array(groups) == name])) == 1 for name in set(groups))
    with pytest.raises(DataError, match="--folds 8 needs as many patients to learn from, and there are 7"):
        folds_of(samples, 8, seed=1)


def test_the_choice_is_judged_on_all_images_out_of_fold(folder: Path) -> None:
    content = content_of(folder)
    images = content["task"]["split_images"]
    whole = next(one for one in content["candidates"] if one["cut"] == content["full"]["cut"])
    own, *parts = [content_of(folder / "trials" / trial, "trial.json") for trial in whole["trials"]]
    assert own["folds"] == [part["id"] for part in parts]
    assert len(parts) == 3
    rows = [np.array(part["predictions"]["val"]) for part in parts]
    assert sum(map(len, rows)) == images["train"] + images["val"]
    assert own["val"] == whole["val"]
    # The order of the images, and so their score, is nearly that of the folds' models put side by side.
    task = pooled(ttl.load_task("digits:8-9"))
    of = folds_of(task.train, 3, seed=0)
    together = np.empty((len(of), 2))
    for fold, part in enumerate(rows):
        together[of == fold] = part
    value = metrics("binary", task.train.labels, together, ("auprc",))["auprc"]
    assert whole["val"]["auprc"]["value"] == pytest.approx(value, abs=0.05)


def test_what_is_delivered_learned_from_both_alike_for_the_median_of_the_epochs(folder: Path) -> None:
    content = content_of(folder)
    for which in ("chosen", "full"):
        record = content_of(folder / "trials" / content[which]["trial"], "trial.json")
        parts = [content_of(folder / "trials" / trial, "trial.json") for trial in record["folds"]]
        wanted = max(1, int(np.median([part["best_epoch"] for part in parts])))
        assert record["epochs"] == record["exact"] == wanted
        assert "predictions" not in record or record["predictions"] == {}
        assert any("sisters of this one" in note for note in record["notes"])
        decision = content_of(folder / "trials" / record["id"], "decision.json")
        assert decision["set_on"][0]["positives"] + decision["set_on"][0]["negatives"] == sum(
            content["task"]["split_images"][split] for split in ("train", "val")
        )
        _, bundle = load_bundle(folder / "trials" / record["id"])
        assert bundle.contract.recalibration is not None
        assert list(bundle.contract.recalibration.scale) == record["recalibration"]["scale"]
    tested = {path.parent.name for path in folder.glob("trials/*/test.json")}
    assert tested == {content["chosen"]["trial"], content["full"]["trial"]}


def test_the_same_command_again_trains_nothing_and_the_files_can_be_exported(folder: Path) -> None:
    before = content_of(folder)
    finished = run(tiny(folder, **OPTIONS))
    assert finished.trained == 0
    assert content_of(folder)["candidates"] == before["candidates"]
    (record,) = export(folder, ExportConfig(precision=("fp16",), margin=0.3))
    assert record.state == "passed"
    assert all(state.state not in ("damaged", "missing") for state in check(folder))


def test_a_fine_tune_on_all_images_that_went_wrong_is_not_delivered_as_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_of = trial_run.of_refit

    def broken(record: TrialRecord, together: TrialRecord) -> Undertrained | None:
        """Every cut's loss on what it learned from ends as a coin's."""
        if record.cut == "layer4.0":
            return whole_of(record, together)
        curve = (*record.curve[:-1], replace(record.curve[-1], val_loss=0.9))
        return whole_of(replace(record, curve=curve), together)

    monkeypatch.setattr(trial_run, "of_refit", broken)
    report = run(tiny(tmp_path, **OPTIONS)).report
    assert report.keeps_whole
    assert "fine-tuned on all images, is under-trained" in (report.search.reason or "")
    (cut,) = [one for one in report.candidates if not report.is_whole(one.cut)]
    assert cut.undertrained is not None
    assert cut.undertrained.blocks
    assert "is no better than that of always giving the same probabilities" in cut.undertrained.words()
    assert run(tiny(tmp_path, **OPTIONS)).trained == 0


def test_masks_are_cross_validated_too(tmp_path: Path) -> None:
    data = squares(tmp_path / "data")
    out = tmp_path / "run"
    few = {"min_point": "encoder.model.layer3.0", "epochs": 2, "batch_size": 2}
    run(tiny_unet(data, out, folds=2, strategy="exhaustive", **few))
    content = content_of(out)
    assert 0 < content["decisions"]["full"]["rule"]["thresholds"][0] < 1
    assert len(next(one for one in content["candidates"] if one["cut"] == content["full"]["cut"])["trials"]) == 3


def test_folds_and_halving_are_refused_together() -> None:
    with pytest.raises(UsageError, match="folds and halving don't go together"):
        python_options(RunConfig, {"data": "digits", "model": "test_resnet", "folds": 3, "halving": 1})
