"""From what a run found out to its report: what was chosen, against what, how sure that is, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ttl import processes
from ttl.cost.latency import Latency
from ttl.cut.points import TruncationPoint, UNetPoint
from ttl.data import describe
from ttl.deliver.file_record import FileRecord
from ttl.deliver.pictures.cases import CamCases, MaskCases
from ttl.report.schema import RunReport, searched
from ttl.report.schema.run_report import DeliveredFiles, ModelRecord, RecipeRecord, WeightsRecord
from ttl.run.findings import Findings
from ttl.run.setting import RunSetting
from ttl.search.evidence.overlap import OVERLAP, Similarities
from ttl.search.strategy import SearchEnd
from ttl.study.candidate import Candidate
from ttl.study.ledger import Look
from ttl.study.run_record import RunRecord
from ttl.words.sides import short

MACS_PER_TRAINING_STEP = 3
"""A training step costs about three forward passes: one forward, two backward."""


@dataclass(frozen=True)
class Delivered:
    """What a run delivered: two files, their times, and pictures: masks of a segmentation, else Grad-CAMs."""

    trials: tuple[str, str]
    """The fine-tunes that were exported, the chosen one first."""
    chosen: FileRecord
    full: FileRecord
    latency: tuple[Latency, ...] = ()
    overlays: MaskCases | None = None
    cams: CamCases | None = None
    rules: tuple[str, ...] = ()
    """By what the two decide, as hashes."""

    @property
    def files(self) -> DeliveredFiles:
        """Both files, as the report has them."""
        return DeliveredFiles(
            **{each.name: getattr(self.chosen, each.name) for each in fields(FileRecord)},
            path=self.chosen.file,
            full_path=self.full.file,
            full_size_bytes=self.full.size_bytes,
            full_parity_max_abs=self.full.parity_max_abs,
        )


def report_of_run(
    setting: RunSetting,
    run: RunRecord,
    findings: Findings,
    end: SearchEnd | None,
    delivered: Delivered | None,
    exports: tuple[FileRecord, ...],
    looks: tuple[Look, ...],
) -> RunReport:
    """The content of report.json: `end` is None while the search runs, `delivered` before the export.

    What compares both networks on the test images is the findings' `on_test`, which takes its time to compute.
    """
    whole = findings.tried.get(setting.whole)
    failed = sorted(findings.failed, key=lambda one: (one.top.index, one.name))
    return RunReport(
        status="finished" if end and delivered else "unfinished",
        metric=setting.metric,
        task=describe(setting.data),
        model=_model(setting),
        points=tuple(map(_point, setting.network.points)),
        recipe=_recipe(setting),
        candidates=tuple(
            _candidate(findings, one) for one in sorted(findings.tried, key=lambda one: (one.top.index, one.name))
        ),
        failed=tuple(searched.FailedFineTune(cut=one.name, cause=findings.failed[one]) for one in failed),
        search=_search(setting, findings, end),
        probe=findings.looks("probe"),
        joint=findings.looks("joint"),
        svcca=_svcca(findings.similarities),
        latency=delivered.latency if delivered else (),
        run=run,
        full=searched.PointResult(**_figures(findings, setting.whole)) if whole else None,
        chosen=searched.PointResult(**_figures(findings, end.choice.candidate)) if end else None,
        export=delivered.files if delivered else None,
        overlays=delivered.overlays if delivered else None,
        cams=delivered.cams if delivered else None,
        exports=exports,
        looks=looks,
        **findings.on_test,
    )


def _model(setting: RunSetting) -> ModelRecord:
    network = setting.network
    spec, weights = network.spec, network.weights
    return ModelRecord(
        name=network.name,
        image_size=short(spec.sides),
        mean=spec.mean,
        std=spec.std,
        interpolation=spec.interpolation,
        fit=None if setting.kind.per_pixel else setting.config.fit,
        weights=WeightsRecord(**asdict(weights), summary=weights.summary()),
    )


def _recipe(setting: RunSetting) -> RecipeRecord:
    recipe, config = setting.recipe, setting.config
    return RecipeRecord(
        name=recipe.name,
        source=recipe.source,
        phases=recipe.words(),
        epochs_cap=config.epochs,
        batch_size=config.batch_size or recipe.batch_size,
        accumulate=config.accumulate,
        augment=recipe.augment,
        dropout=setting.head.dropout,
        balance=config.balance,
        amp=config.amp,
        processes=processes.count(),
        seeds=tuple(setting.seeds),
    )


def _point(point: TruncationPoint) -> searched.PointRecord:
    kind = searched.UNetPointRecord if isinstance(point, UNetPoint) else searched.PointRecord
    values: dict[str, Any] = {each.name: getattr(point, each.name, None) for each in fields(kind)}
    return kind(**values)


def _candidate(findings: Findings, candidate: Candidate) -> searched.CandidateResult:
    runs = findings.tried[candidate]
    best = runs.best
    return searched.CandidateResult(
        **_figures(findings, candidate),
        trials=tuple(dict.fromkeys(id for record in runs.records for id in (record.id, *record.folds))),
        epochs=best.epochs,
        best_epoch=best.best_epoch,
        seconds=best.seconds,
        curve=best.curve,
        notes=best.notes,
    )


def _figures(findings: Findings, candidate: Candidate) -> dict[str, Any]:
    """Of the trial whose weights are delivered, and how the seeds differ where there are several."""
    runs, tested = findings.tried[candidate], findings.tested
    best = runs.best
    names = ("cut", "index", "params", "macs", "encoder_params", "encoder_macs", "val")
    return {
        "trial": best.id,
        "point": None if candidate.name == candidate.top.name else candidate.top.name,
        **{name: getattr(best, name) for name in names},
        "test": tested[best.id].figures if best.id in tested else {},
        "spread": runs.spread(tested),
        "undertrained": best.undertrained,
    }


def _svcca(similarities: Similarities | None) -> searched.Svcca:
    """The distributions in five numbers a point; whole they are in svcca.json."""
    if similarities is None:
        return searched.Svcca()
    overlap = similarities.overlap
    points = tuple(
        searched.ComparedPoint(cut=one.cut, percentiles=_percentiles(one.coefficients), overlap=overlap(one))
        for one in similarities.points
    )
    return searched.Svcca(points=points, random=_percentiles(similarities.random), threshold=OVERLAP)


def _percentiles(values: Sequence[float]) -> tuple[float, float, float, float, float]:
    """The 5th, 25th, 50th, 75th and 95th percentile."""
    p5, p25, p50, p75, p95 = (float(value) for value in np.percentile(values, [5, 25, 50, 75, 95]))
    return p5, p25, p50, p75, p95


def _search(setting: RunSetting, findings: Findings, end: SearchEnd | None) -> searched.SearchRecord:
    records = findings.records
    per_mac = MACS_PER_TRAINING_STEP * setting.samples_per_epoch
    stopped = _stopped(setting, findings, per_mac) if setting.config.halving else None
    return searched.SearchRecord(
        strategy=setting.config.strategy,
        select=setting.config.select,
        reason=end.choice.reason if end else None,
        fine_tunes=len(records),
        epochs=sum(record.epochs for record in records),
        train_macs=sum(per_mac * record.macs * record.epochs for record in records),
        seconds=sum(record.seconds for record in records),
        steps=tuple(
            searched.SearchStep(
                phase=step.phase, points=tuple(one.name for one in step.candidates), epochs=step.epochs or None
            )
            for step in (end.steps if end else ())
        ),
        stopped=stopped,
        max_latency_ms=setting.latency,
    )


def _stopped(setting: RunSetting, findings: Findings, per_mac: int) -> searched.StoppedFineTunes:
    """The fine-tunes that fell behind, and what they would have cost had they gone on to the cap."""
    cap = setting.config.epochs
    cut_short = [record for runs in findings.stopped.values() for record in runs.records]
    saved = sum(per_mac * record.macs * (cap - record.epochs) for record in cut_short if cap)
    return searched.StoppedFineTunes(
        points=tuple(
            searched.StoppedFineTune(cut=candidate.name, epochs=runs.epochs, val=runs.score)
            for candidate, runs in findings.stopped.items()
        ),
        train_macs_saved_at_most=saved if cap else None,
    )
