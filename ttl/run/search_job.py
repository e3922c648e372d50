"""The search of a run under way: it hands trials to the engine, and keeps the report of them on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import nan

from ttl.errors import TrainingError
from ttl.run.context import RunContext
from ttl.run.events import BatchStarted, Due, Note, TrialFailed, TrialPaused, Watch
from ttl.run.findings import Findings, PartialRuns, SeedRuns
from ttl.run.pooling import pooled_record, refit_epochs
from ttl.run.produced import compared_features, probe
from ttl.run.trial_run import finished_trial
from ttl.search.candidates import Joint
from ttl.search.evidence.curve import Curve, Evidence
from ttl.search.evidence.heads import heads_curve
from ttl.search.select import NothingToChooseError, choose_best, choose_smallest
from ttl.search.strategies import halving, strategy
from ttl.search.strategy import Batch, Choice, Scores, SearchEnd, drive
from ttl.study.candidate import Candidate
from ttl.study.engines.engine import Engine
from ttl.study.record import TrialRecord
from ttl.study.trial import Trial
from ttl.words.counts import listed
from ttl.words.metric import metric

Records = dict[tuple[int, int | None], TrialRecord]
"""By seed and fold."""
NONE_TRAINED = "no point that was tried is trained enough to be chosen"


class SearchJob:
    """One search; `publish` writes the report of what was found out so far."""

    def __init__(
        self, context: RunContext, watch: Watch, engine: Engine, publish: Callable[[Findings], object]
    ) -> None:
        self.context, self.setting = context, context.setting
        self.watch, self.engine, self.publish = watch, engine, publish
        self.findings = Findings()
        self.blamed: dict[Candidate, int] = {}
        self.trained = 0
        self.steps: list[Batch] = []
        self.starts: dict[Candidate, Candidate | None] = {}

    def run(self) -> SearchEnd:
        """Drive the strategy to its end, then fine-tune the whole network if that is still to be done.

        Raises:
            TrainingError: the whole network failed: there would be nothing to compare with.
        """
        setting, config = self.setting, self.setting.config
        evidence: dict[str, Evidence] = {"probe": self._probe, "joint": self._joint, "svcca": self._overlap}
        chooser = choose_best if config.select == "best" else choose_smallest(self._not_inferior)
        asked = strategy(config.strategy, setting.candidates, chooser, evidence)
        if config.halving is not None:
            spared = setting.candidates[-1]
            asked = halving(asked, first=config.halving, cap=config.epochs, margin=setting.margin, spared=spared)
        try:
            end = drive(asked, self.evaluate)
        except NothingToChooseError:
            if not self._undertrained():
                raise
            end = SearchEnd(Choice(setting.whole, NONE_TRAINED), {}, tuple(self.steps))
        self.evaluate(Batch("reference", (setting.whole,)))
        return self._explained(end)

    def _undertrained(self) -> list[Candidate]:
        """Those that can't be chosen because they are under-trained, the lowest first, whoever ended first."""
        tried = self.findings.tried
        found = [one for one, runs in tried.items() if runs.undertrained and one != self.setting.whole]
        return sorted(found, key=lambda one: (one.top.index, one.name))

    def _explained(self, end: SearchEnd) -> SearchEnd:
        """The same, its reason naming what could not be chosen."""
        names = listed(one.name for one in self._undertrained())
        if not names:
            return end
        reason = f"{end.choice.reason}; {names} could not be chosen, being under-trained: give more --epochs"
        return replace(end, choice=replace(end.choice, reason=reason))

    def evaluate(self, batch: Batch) -> Scores:
        """The validation scores of the fine-tunes of a batch; NaN where they failed, and the search goes on.

        Raises:
            TrainingError: the whole network failed.
        """
        findings, records = self.findings, defaultdict[Candidate, Records](dict)
        self.steps.append(batch)
        trials = [
            Trial(candidate, seed, batch.epochs, batch.start, fold)
            for candidate in batch.candidates
            if candidate not in findings.tried and candidate not in findings.failed
            for seed in self.setting.seeds
            for fold in self.setting.folds
        ]
        for trial, record in self._outcomes(batch.phase, trials):
            candidate = trial.candidate
            records[candidate][trial.seed, trial.fold] = record
            if len(records[candidate]) == len(self.setting.seeds) * len(self.setting.folds):
                by_seed = self._by_seed(candidate, records[candidate])
                self.starts[candidate] = batch.start
                if trial.epochs is None:
                    findings.tried[candidate] = SeedRuns(by_seed)
                else:
                    findings.paused[candidate] = PartialRuns(by_seed, trial.epochs)
                self.publish(findings)
        blocked = self._undertrained()  # without a score they are never chosen
        return {
            candidate: nan if candidate in blocked else findings.score(candidate, batch.epochs)
            for candidate in batch.candidates
        }

    def _by_seed(self, candidate: Candidate, records: Records) -> tuple[TrialRecord, ...]:
        """A record a seed; of the folds of a cross-validation one that has what they say together."""
        setting = self.setting
        if setting.config.folds is None:
            return tuple(records[seed, None] for seed in setting.seeds)
        found = []
        for seed in setting.seeds:
            parts = [records[seed, fold] for fold in setting.folds]
            together = pooled_record(setting, candidate, parts)
            self.findings.members[together.id] = tuple(parts)
            found.append(together)
        return tuple(found)

    def deliver(self, candidate: Candidate) -> SeedRuns:
        """What is delivered of a candidate that was tried: with folds, fine-tunes on train and val together.

        Raises:
            TrainingError: one failed.
        """
        runs = self.findings.tried[candidate]
        if self.setting.config.folds is None or any(record.exact for record in runs.records):
            return runs
        start = self.starts[candidate]
        joint = {record.seed: record for record in self.findings.joints}
        if start is not None:
            before = [Trial(start, seed, exact=refit_epochs(joint[seed])) for seed in self.setting.seeds]
            self._refitted("heads on all", before)
        trials = [
            Trial(
                candidate,
                record.seed,
                start=start,
                exact=refit_epochs(record),
                start_exact=refit_epochs(joint[record.seed]) if start else None,
            )
            for record in runs.records
        ]
        made = {record.seed: record for record in self._refitted("on train and val", trials)}
        refits = tuple(
            replace(made[record.seed], predictions=record.predictions, val=record.val) for record in runs.records
        )
        self.findings.tried[candidate] = SeedRuns(refits)
        return self.findings.tried[candidate]

    def delivered(self, end: SearchEnd) -> SearchEnd:
        """The same, with the whole network as its choice where what would be delivered of another is under-trained."""
        runs = self.deliver(end.choice.candidate)
        if end.choice.candidate == self.setting.whole or not runs.undertrained:
            return end
        why = f"{end.choice.candidate.name}, fine-tuned on all images, is under-trained: give more --epochs"
        return replace(end, choice=Choice(self.setting.whole, f"the whole network is delivered, since {why}"))

    def _refitted(self, phase: str, trials: Sequence[Trial]) -> list[TrialRecord]:
        """Records of fine-tunes without any image to validate on.

        Raises:
            TrainingError: one failed.
        """
        records = [record for _, record in self._outcomes(phase, trials)]
        self.findings.refits += records
        if len(records) < len(trials):
            failed = self.findings.failed.pop(trials[0].candidate, "it failed")
            raise TrainingError(f"The fine-tune of {trials[0].candidate.name} on all images: {failed}")
        return records

    def _outcomes(self, phase: str, trials: Sequence[Trial]) -> Iterator[tuple[Trial, TrialRecord]]:
        """Each trial with its record, those on disk first; what failed is left out, and remembered."""
        waiting = []
        for trial in trials:
            record = finished_trial(self.context, trial, self.watch)
            if record is None:
                waiting.append(trial)
            else:
                yield trial, record
        if waiting:
            self.context.images.all()  # decoded here once: workers beside this process then find them in the cache
            due = tuple(Due(each.label, each.seed, each.candidate.top.macs) for each in waiting)
            bounds = (waiting[0].epochs, waiting[0].candidate.epochs(self.setting.config.epochs))
            self.watch(BatchStarted(phase, due, min(filter(None, bounds), default=None)))
        # With a seed missing a candidate's mean would be no fair one: its other seeds are spared.
        wanted = (trial for trial in waiting if trial.candidate not in self.findings.failed)
        for trial, outcome in self.engine.run(wanted):
            if isinstance(outcome, TrainingError):
                self._fail(trial, outcome)
            else:
                if outcome.status == "finished":
                    self.trained += 1
                else:
                    self.watch(TrialPaused(outcome))
                yield trial, outcome

    def _fail(self, trial: Trial, error: TrainingError) -> None:
        if not trial.candidate.can_be_chosen or trial.candidate == self.setting.whole:
            raise error
        candidate = trial.candidate
        # Of seeds that fail side by side, the first is the one that would have failed alone.
        if trial.seed > self.blamed.setdefault(candidate, trial.seed):
            return
        self.blamed[candidate] = trial.seed
        self.findings.failed[candidate] = str(error)
        self.watch(TrialFailed(trial.label, trial.seed, str(error)))

    def _probe(self) -> Curve:
        self.watch(Note(f"Probing {len(self.setting.points)} points: one pass over the training images"))
        return self._keep(probe(self.context))

    def _joint(self) -> Curve:
        """What the heads of the joint network say of the candidates."""
        setting = self.setting
        self.watch(Note(f"Fine-tuning heads at {len(setting.points)} points at once"))
        joint = Joint(setting.network.name, setting.points)
        trials = [Trial(joint, seed, fold=fold) for seed in setting.seeds for fold in setting.folds]
        done = {(trial.seed, trial.fold): record for trial, record in self._outcomes("heads", trials)}
        records = self._by_seed(joint, done)
        self.findings.joints = records
        rows = [record.predictions["val"] for record in records]
        # A U-Net's decoder has learned nothing in the joint network, and needs all of its epochs.
        start = None if setting.network.draws_masks else joint
        curve = heads_curve(joint, rows, setting.kind, setting.task.val, seed=setting.config.seed, start=start)
        self._keep(curve)
        self.publish(self.findings)
        return curve

    def _overlap(self) -> Curve:
        """How far features before and after the fine-tune of the highest candidate overlap with random ones."""
        self.watch(Note(f"Comparing features before and after at {len(self.setting.points)} points"))
        tuned = self.findings.tried[self.setting.candidates[-1]].records
        self.findings.similarities = compared_features(self.context, tuned)
        return self._keep(self.findings.similarities.curve())

    def _keep(self, curve: Curve) -> Curve:
        self.findings.curves[curve.evidence] = curve
        return curve

    def _not_inferior(self, candidate: Candidate, best: Candidate) -> str | None:
        """What shows, on the validation images, that `candidate` loses less than the margin against `best`."""
        tried = self.findings.tried
        one, other = (tried[each].best.predictions["val"] for each in (candidate, best))
        test = self.setting.compared(one, other, "val")
        if not test.shown:
            return None
        gap = test.difference
        return (
            f"the difference in validation {metric(test.metric).name} is {gap.value:+.4f} (95 % interval "
            f"{gap.ci_low:+.4f} to {gap.ci_high:+.4f}), a loss of less than {test.margin:g}"
        )
