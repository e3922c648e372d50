"""The verbs that train: run (and search), and finetune."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ttl import processes
from ttl.config import RunConfig
from ttl.deliver.file_record import remembered
from ttl.report import RunReport, write_report
from ttl.report.schema import REPORT
from ttl.run import delivering
from ttl.run.budget import within_latency
from ttl.run.context import RunContext, context_of
from ttl.run.engine_of import check_engine, engine_of
from ttl.run.events import Note, Watch, unwatched
from ttl.run.findings import Findings, SeedRuns
from ttl.run.prepare import prepare
from ttl.run.provenance import open_run
from ttl.run.report_writer import Delivered, Progress, report_of_run
from ttl.run.search_job import SearchJob
from ttl.run.trial_run import finished_trial, run_trial
from ttl.search.strategy import SearchEnd
from ttl.study.folder import Study
from ttl.study.record import TrialRecord
from ttl.study.run_record import RunRecord
from ttl.study.trial import Trial

DEFAULT_FOLDER = Path("ttl-run")


@dataclass(frozen=True)
class Finished:
    """What a run left behind.

    Attributes:
        folder: the run folder.
        report: the content of its report.json.
        trained: fine-tunes done by this call; 0 where all were on disk already.
    """

    folder: Path
    report: RunReport
    trained: int


def run(config: RunConfig, *, deliver: bool = True, watch: Watch = unwatched) -> Finished:
    """Search, fine-tune, test, export, report.

    Args:
        config: what is asked for; `config.out` defaults to `ttl-run`.
        deliver: whether to export and time the result after the search.
        watch: is told what happens.

    Raises:
        TTLError: with all that was computed until then kept in the run folder.
    """
    check_engine(config)
    study = Study(config.out or DEFAULT_FOLDER)
    with study.held():
        setting = within_latency(prepare(config, watch), study, watch)
        context = context_of(setting, study)
        desk = _Desk(context, open_run(setting, study))
        with engine_of(context, watch) as engine:
            job = SearchJob(context, watch, engine, publish=desk.publish)
            end = job.run()
        watch(Note(f"Chosen: {end.choice.reason}"))
        report = desk.publish(job.findings, end)
        if processes.is_main():
            if deliver:
                chosen, whole = job.findings.tried[end.choice.candidate].best, job.findings.tried[setting.whole].best
                report = desk.publish(job.findings, end, delivering.deliver(context, chosen, whole, watch))
            write_report(study.folder)
        return Finished(study.folder, report, job.trained)


@dataclass(frozen=True, eq=False)
class _Desk:
    """Where the report of a run under way is written."""

    context: RunContext
    run: RunRecord

    def publish(
        self, findings: Findings, end: SearchEnd | None = None, delivered: Delivered | None = None
    ) -> RunReport:
        """Write report.json from what is there so far."""
        study = self.context.study
        exports = remembered(study, {record.id for record in findings.records})
        progress = Progress(findings, end, delivered, tuple(exports))
        report = report_of_run(self.context.setting, self.run, progress)
        study.write(REPORT, report)
        return report


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning at one point left behind.

    Attributes:
        folder: of the trial that validates best.
        runs: one a seed.
    """

    folder: Path
    runs: SeedRuns = field(repr=False)

    @property
    def record(self) -> TrialRecord:
        """Of the trial that validates best."""
        return self.runs.best


def finetune(config: RunConfig, cut: str, *, watch: Watch = unwatched) -> Tuned:
    """Fine-tune at one point, once for each seed.

    Raises:
        TTLError: a bad option, bad data, or a fine-tune that failed.
    """
    study = Study(config.out or DEFAULT_FOLDER)
    with study.held():
        setting = prepare(config, watch)
        candidate = setting.candidate(cut)
        open_run(setting, study)
        context = context_of(setting, study)
        trials = [Trial(candidate, seed) for seed in setting.seeds]
        runs = SeedRuns(
            tuple(finished_trial(context, trial, watch) or run_trial(context, trial, watch) for trial in trials)
        )
        return Tuned(study.trial_folder(runs.best.id), runs)
