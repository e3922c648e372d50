"""One run under way: it hands trials to the engine, and keeps the report of them on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ttl.cut.points import TruncationPoint
from ttl.deliver.exporting import Wanted, export_file
from ttl.deliver.file_record import FileRecord, is_whole, remember, remembered
from ttl.deliver.pictures.cam_cases import draw_cams
from ttl.deliver.pictures.mask_cases import draw_cases
from ttl.errors import TrainingError
from ttl.export.options import ExportConfig
from ttl.export.targets import target_of
from ttl.run.events import BatchStarted, Due, Note, TrialFailed, TrialPaused, Watch
from ttl.run.exporting_flow import CHOSEN, FULL, REPORT, deliverable_of
from ttl.run.joint import curve_of_heads, joint_epochs, joint_start
from ttl.run.known import Known, Paused
from ttl.run.prepared import Prepared
from ttl.run.probing import probe_curve
from ttl.run.repeats import Repeats
from ttl.run.similar import similarities
from ttl.run.strategies import Sources, strategy_of
from ttl.run.timed_files import measure_latency
from ttl.run.trial import JOINT, Record, finished_trial, identity
from ttl.run.verdict import compared, latency_json, report
from ttl.search.select import choose_best, choose_smallest
from ttl.search.strategies.probe import Curve
from ttl.search.strategies.svcca import Similarity
from ttl.search.strategy import Batch, Chooser, Found, Scores, drive
from ttl.study.engines.engine import Engine, Trial
from ttl.study.study import Study
from ttl.typed import to_json
from ttl.words.metric import metric

LATENCY_SECONDS = 20.0
DELIVERED = "delivered.json"


class Job:
    """One run.

    Args:
        prepared: what it works on.
        study: the run folder, held.
        started: the content of run.json.
        watch: is told what happens.
        engine: runs the trials.
    """

    def __init__(self, prepared: Prepared, study: Study, started: dict[str, Any], watch: Watch, engine: Engine) -> None:
        self.prepared = prepared
        self.study = study
        self.started = started
        self.watch = watch
        self.engine = engine
        self.known = Known()
        self.blamed: dict[str, int] = {}
        self.trained = 0

    def search(self) -> Found:
        """Drive the strategy to its end, then fine-tune the whole network if that is still to be done.

        Raises:
            TrainingError: the whole network failed: there would be nothing to compare with.
        """
        prepared = self.prepared
        sources = Sources(self._probe, self._joint, self._similarities, joint_start(prepared))
        asked = strategy_of(prepared.config, prepared.candidates, self._chooser(), sources, margin=prepared.margin)
        found = drive(asked, self.evaluate)
        self.evaluate(Batch("reference", (self.prepared.points[-1],)))
        return found

    def evaluate(self, batch: Batch) -> Scores:
        """The validation scores of the fine-tunes of a batch; NaN where they failed, and the search goes on.

        Raises:
            TrainingError: the whole network failed.
        """
        records: dict[str, list[Record]] = {}
        for trial, record in self._outcomes(batch.phase, self._trials(batch)):
            own = records.setdefault(record["cut"], [])
            own.append(record)
            if len(own) == len(self.prepared.seeds):
                self._take(record["cut"], own, trial.epochs)
        return {point.name: self._score(point.name, batch.epochs) for point in batch.points}

    def _trials(self, batch: Batch) -> list[Trial]:
        """What is still to be done, a trial a seed."""
        joint = batch.start == "joint"
        return [
            Trial(point.name, seed, batch.epochs, identity(self.prepared, Trial(None, seed)) if joint else None)
            for point in batch.points
            if point.name not in self.known.tried | self.known.failed
            for seed in self.prepared.seeds
        ]

    def _outcomes(self, phase: str, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Record]]:
        """Each trial with its record, those on disk first; what failed is left out, and remembered."""
        waiting = []
        for trial in trials:
            record = finished_trial(self.prepared, self.study, trial, self.watch)
            if record is None:
                waiting.append(trial)
            else:
                yield trial, record
        if waiting:
            _ = self.prepared.decoded  # decoded here once: workers beside this process then find them in the cache
            self._announce(phase, waiting)
        # With a seed missing a point's mean would be no fair one: its other seeds are spared.
        wanted = (trial for trial in waiting if trial.cut not in self.known.failed)
        for trial, outcome in self.engine.run(wanted):
            if isinstance(outcome, TrainingError):
                self._fail(trial, outcome)
            else:
                self._count(outcome)
                yield trial, dict(outcome)

    def _announce(self, phase: str, waiting: Sequence[Trial]) -> None:
        top, find = self.prepared.candidates[-1], self.prepared.points.find
        due = tuple(
            Due(trial.cut or JOINT, trial.seed, (find(trial.cut) if trial.cut else top).macs) for trial in waiting
        )
        cap = self.prepared.config.epochs if waiting[0].cut else joint_epochs(self.prepared)
        bounds = (waiting[0].epochs, cap)
        self.watch(BatchStarted(phase, due, min((bound for bound in bounds if bound), default=None)))

    def _count(self, outcome: Mapping[str, Any]) -> None:
        if outcome["status"] == "finished":
            self.trained += 1
        else:
            self.watch(TrialPaused(outcome))

    def _take(self, name: str, records: list[Record], epochs: int | None) -> None:
        """All seeds of a point are there."""
        by_seed = tuple(sorted(records, key=lambda record: int(record["seed"])))
        if epochs is None:
            self.known.tried[name] = Repeats(by_seed)
        else:
            self.known.paused[name] = Paused(by_seed, epochs)
        self.publish(None)

    def _fail(self, trial: Trial, error: TrainingError) -> None:
        if trial.cut is None or trial.cut == self.prepared.points[-1].name:
            raise error
        # Of seeds that fail side by side, the first is the one that would have failed alone.
        if trial.seed > self.blamed.setdefault(trial.cut, trial.seed):
            return
        self.blamed[trial.cut] = trial.seed
        self.known.failed[trial.cut] = str(error)
        self.watch(TrialFailed(trial.cut, trial.seed, str(error)))

    def _score(self, name: str, epochs: int | None) -> float:
        known = self.known
        if name in known.failed:
            return float("nan")
        if epochs is None:
            return known.tried[name].score
        records = known.tried[name].records if name in known.tried else known.paused[name].records
        return Paused(records, epochs).score

    def _probe(self) -> Curve:
        """The probe's curve over the candidates."""
        self.watch(Note(f"Probing {len(self.prepared.candidates)} points: one pass over the training images"))
        self.known.probe = probe_curve(self.prepared, self.study)
        return self.known.probe

    def _joint(self) -> Curve:
        """What the heads of the joint network say of the candidates."""
        self.watch(Note(f"Fine-tuning heads at {len(self.prepared.candidates)} points at once"))
        trials = [Trial(None, seed) for seed in self.prepared.seeds]
        records = [record for _, record in self._outcomes("heads", trials)]
        self.known.joints = tuple(sorted(records, key=lambda record: int(record["seed"])))
        self.known.joint = curve_of_heads(self.prepared, self.known.joints)
        self.publish(None)
        return self.known.joint

    def _similarities(self) -> Mapping[str, Similarity]:
        """SVCCA of the candidates' features before and after the fine-tune of the highest one."""
        self.watch(Note(f"Comparing features before and after at {len(self.prepared.candidates)} points"))
        tuned = self.known.tried[self.prepared.candidates[-1].name].records
        self.known.similarities = similarities(self.prepared, self.study, tuned)
        return self.known.similarities

    def _chooser(self) -> Chooser:
        """What picks among the points tried, as the run asks."""
        return choose_best if self.prepared.config.select == "best" else choose_smallest(self._not_inferior)

    def _not_inferior(self, point: TruncationPoint, best: TruncationPoint) -> str | None:
        """What shows, on the validation images, that `point` loses less than the margin against `best`."""
        tried = self.known.tried
        found = compared(self.prepared, tried[point.name].best, tried[best.name].best, "val")
        if not found.shown:
            return None
        gap = found.difference
        return (
            f"the difference in validation {metric(found.metric).name} is {gap.value:+.4f} (95 % interval "
            f"{gap.ci_low:+.4f} to {gap.ci_high:+.4f}), a loss of less than {found.margin:g}"
        )

    def publish(self, found: Found | None, **delivered: Any) -> dict[str, Any]:
        """Write report.json from what is known so far."""
        delivered = {"exported": None, "latency": (), **delivered}
        trials = {record["id"] for record in self.known.records}
        content = report(self.prepared, self.known, found=found, run=self.started, **delivered)
        content["exports"] = [to_json(file) for file in remembered(self.study, trials)]
        self.study.write(REPORT, content)
        return content

    def deliver(self, found: Found) -> dict[str, Any]:
        """Export the chosen model and the whole network, and time them against each other.

        What an earlier, finished call delivered from the same trials is taken as it is, where its files are the bytes
        that were checked: a latency measured again would only be another sample.
        """
        chosen = self.known.tried[found.choice.point.name].best
        whole = self.known.tried[self.prepared.points[-1].name].best
        sources = [chosen["id"], whole["id"]]
        records = {"full": whole} if chosen["id"] == whole["id"] else {"chosen": chosen, "full": whole}
        earlier = self.study.read(DELIVERED)
        whole_files = all(is_whole(self.study, file) for file in (CHOSEN, FULL))
        if earlier is None or earlier["trials"] != sources or not whole_files:
            earlier = self._delivered(records, sources)
            self.study.write(DELIVERED, earlier)
        if not self.prepared.segments and "cams" not in earlier:
            earlier["cams"] = self._cams(records)
            self.study.write(DELIVERED, earlier)
        return self.publish(
            found,
            exported=earlier["export"],
            latency=earlier["latency"],
            overlays=earlier.get("overlays"),
            cams=earlier.get("cams"),
        )

    def _delivered(self, records: Mapping[str, Record], sources: list[str]) -> dict[str, Any]:
        whole = records["full"]
        chosen = records.get("chosen", whole)
        folder, config = self.study.folder, self.prepared.config
        self.watch(Note(f"Exporting {CHOSEN} ({chosen['cut']}) and {FULL} ({whole['cut']}), and checking them"))
        made, full = self._export(chosen, CHOSEN), self._export(whole, FULL)
        remember(self.study, [made, full])
        exported = {"path": made.file, **to_json(made), "full_path": full.file}
        exported |= {"full_size_bytes": full.size_bytes, "full_parity_max_abs": full.parity_max_abs}
        self.watch(Note("Timing them against each other on the CPU"))
        rows = measure_latency(
            folder,
            image_size=self.prepared.image_size,
            threads=config.threads,
            budget_seconds=LATENCY_SECONDS,
            seed=config.seed,
        )
        content = {"trials": sources, "export": exported, "latency": [latency_json(row) for row in rows]}
        if not self.prepared.segments:
            return content
        files = {name: folder / file for name, file in {"chosen": CHOSEN, "full": FULL}.items() if name in records}
        return content | {"overlays": draw_cases(self.prepared, folder, files, records)}

    def _export(self, record: Record, name: str) -> FileRecord:
        path = self.study.folder / name
        path.unlink(missing_ok=True)
        deliverable = deliverable_of(self.prepared, self.study, record)
        return export_file(deliverable, Wanted(path, target_of("fp32")), ExportConfig())

    def _cams(self, records: Mapping[str, Record]) -> dict[str, Any]:
        """Grad-CAM of some test images; what goes wrong with it is told, for the run is complete without."""
        self.watch(Note("Drawing what the networks look at (Grad-CAM)"))
        try:
            return draw_cams(self.prepared, self.study, records)
        except Exception as error:
            self.watch(Note(f"No Grad-CAM: {error}"))
            return {"missing": str(error)}
