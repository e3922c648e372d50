"""The verbs that train: run (and search), finetune, and the demo of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttl import processes
from ttl.config import RunConfig
from ttl.deliver.file_record import remembered
from ttl.report import RunReport, write_report
from ttl.report.schema import REPORT
from ttl.run import delivering
from ttl.run.budget import within_latency
from ttl.run.by_group import as_csv
from ttl.run.cards_against_whole import compare_in_cards
from ttl.run.comparing import compared_on_test
from ttl.run.context import context_of
from ttl.run.deciding import decides_as_now, rule_of
from ttl.run.engine_of import check_engine, engine_of
from ttl.run.events import Note, Watch, unwatched
from ttl.run.findings import Findings, SeedRuns
from ttl.run.prepare import prepare
from ttl.run.provenance import open_run
from ttl.run.report_writer import Delivered, report_of_run
from ttl.run.search_job import SearchJob
from ttl.run.testing import predict_test
from ttl.run.trial_run import finished_trial, run_trial
from ttl.search.strategy import SearchEnd
from ttl.study.folder import Study
from ttl.study.ledger import read_ledger
from ttl.study.record import TrialRecord
from ttl.study.tested import Tested
from ttl.study.trial import Trial

SUBGROUPS = "subgroups.csv"
DEFAULT_FOLDER = Path("ttl-run")


@dataclass(frozen=True)
class Finished:
    """What a run left behind."""

    folder: Path
    report: RunReport
    trained: int
    """Fine-tunes done by this call; 0 where all were on disk already."""


def run(config: RunConfig, *, deliver: bool = True, watch: Watch = unwatched) -> Finished:
    """Search, fine-tune, test, export, time and report; into `ttl-run` by default.

    Where `deliver` is false it ends with the choice, and no test image was looked at.

    Raises:
        TTLError: with all that was computed until then kept in the run folder.
    """
    check_engine(config)
    study = Study(config.out or DEFAULT_FOLDER)
    with study.held():
        setting = within_latency(prepare(config, watch), study, watch)
        context = context_of(setting, study)
        opened = open_run(setting, study)

        def publish(findings: Findings, end: SearchEnd | None = None, delivered: Delivered | None = None) -> RunReport:
            known = remembered(study, {record.id for record in findings.records})
            exports = tuple(file for file in known if decides_as_now(study, file))
            looks = read_ledger(study).looks
            report = report_of_run(setting, opened, findings, end, delivered, exports, looks)
            study.write(REPORT, report)
            return report

        with engine_of(context, watch) as engine:
            job = SearchJob(context, watch, engine, publish)
            end = job.delivered(job.run())
            watch(Note(f"Chosen: {end.choice.reason}"))
            chosen, whole = job.deliver(end.choice.candidate), job.deliver(setting.whole)
        if deliver:
            job.findings.tested = predict_test(context, (*chosen.records, *whole.records), "run", watch)
            job.findings.on_test = compared_on_test(setting, job.findings.tested, chosen.best, whole.best)
        report = publish(job.findings, end)
        if processes.is_main():
            write_report(study.folder)  # an earlier page of this folder would tell of other files until the next one
            if deliver:
                delivered = delivering.deliver(context, chosen.best, whole.best, watch)
                report = publish(job.findings, end, delivered)
            if report.subgroups:
                study.write_text(SUBGROUPS, as_csv(report.subgroups))
            else:
                (study.folder / SUBGROUPS).unlink(missing_ok=True)
            write_report(study.folder)
            if deliver:
                compare_in_cards(study, report)
        return Finished(study.folder, report, job.trained)


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning at one point left behind: the folder of the trial that validates best, and a run a seed."""

    folder: Path
    runs: SeedRuns = field(repr=False)
    tested: Mapping[str, Tested] = field(default_factory=dict, repr=False)
    """Trial -> what it gives for the test images, where that was asked for."""

    @property
    def record(self) -> TrialRecord:
        """Of the trial that validates best."""
        return self.runs.best


def finetune(config: RunConfig, cut: str, *, test: bool = False, watch: Watch = unwatched) -> Tuned:
    """Fine-tune at one point, once for each seed; with `test` look at the test images, too: the ledger has it.

    Raises:
        TTLError: a bad option, bad data, or a fine-tune that failed.
    """
    study = Study(config.out or DEFAULT_FOLDER)
    with study.held():
        setting = prepare(config, watch, cut=cut)
        candidate = setting.candidate(cut)
        open_run(setting, study)
        context = context_of(setting, study)
        trials = [Trial(candidate, seed) for seed in setting.seeds]
        runs = SeedRuns(
            tuple(finished_trial(context, trial, watch) or run_trial(context, trial, watch) for trial in trials)
        )
        for record in runs.records:
            rule_of(context, record)
        tested = predict_test(context, runs.records, "finetune --test", watch) if test else {}
        return Tuned(study.trial_folder(runs.best.id), runs, tested)


def demo(out: Path, *, seed: int = 0, watch: Watch) -> Finished:
    """Pretrain a small ResNet on the digits 0-4 in `out/pretrained`, then do the whole job on 5-9, offline."""
    watch(Note("First a resnet18 learns the digits 0 to 4 from random weights: it stands for a pretrained network."))
    pretraining = RunConfig(
        data="digits:0-4",
        model="resnet18",
        weights="none",
        image_size=32,
        out=out / "pretrained",
        epochs=6,
        batch_size=32,
        lr=1e-3,  # from random weights, on 8 x 8 images, 1e-4 would need many more epochs than a demo has
        seed=seed,
    )
    folder = finetune(pretraining, "full", watch=watch).folder
    watch(Note("Now the job: the smallest cut of that network which tells the digits 5 to 9 apart."))
    weights = str(folder / "model.safetensors")
    job = {"data": "digits:5-9", "weights": weights, "out": out, "epochs": 5}
    return run(pretraining.model_copy(update=job), watch=watch)
