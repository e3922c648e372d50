"""`ttl check`: is every file of a run folder what was written?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from PIL import Image

from ttl import files, typed
from ttl.data.cache import read_cached
from ttl.data.fingerprints import Fingerprints
from ttl.deliver.file_record import EXPORTS, Exports
from ttl.errors import RunFolderError, TTLError
from ttl.export.bundle import DESCRIPTION, read_bundle
from ttl.export.bundle import WEIGHTS as MODEL_WEIGHTS
from ttl.export.run import properties_of
from ttl.finetune.resume import is_whole
from ttl.report.schema import REPORT, read_report
from ttl.report.schema.validation import PREFIX, Validation
from ttl.run.budget import KEPT, KeptLimit
from ttl.run.deciding import DECISION
from ttl.run.delivering import DELIVERED
from ttl.run.produced import PROBE, SVCCA, KeptProbe, KeptSimilarities
from ttl.run.provenance import FINGERPRINTS, SPLITS
from ttl.run.report_writer import Delivered
from ttl.run.trial_run import JOINT_WEIGHTS
from ttl.stats import DecisionRule
from ttl.study.folder import CACHE, LOCK, RUN, TRIAL, TRIALS, Study
from ttl.study.ledger import LEDGER, Ledger
from ttl.study.record import TrialRecord
from ttl.study.run_record import SCHEMA
from ttl.study.tested import TEST, Tested

State = Literal["whole", "damaged", "missing", "not checked"]
"""`not checked` where nothing says what a file should hold."""
TYPED = {
    DELIVERED: Delivered, PROBE: KeptProbe, SVCCA: KeptSimilarities, KEPT: KeptLimit, EXPORTS: Exports, LEDGER: Ledger,
    FINGERPRINTS: Fingerprints,
}  # fmt: skip
OTHER_IN_0_1 = (DELIVERED, PROBE, SVCCA, KEPT)
DERIVED = {
    ".csv": "figures of report.json as a table",
    ".html": "`ttl report` makes it anew",
    ".md": "a text for people, made from the file beside it",
}
T = TypeVar("T")


@dataclass(frozen=True)
class FileState:
    """Whether one file, relative to the run folder, is whole; `why` not, in words."""

    file: str
    state: State
    why: str = ""


def check(folder: Path) -> tuple[FileState, ...]:
    """The state of every file of a run folder, in the order of their names, those that are missing among them.

    The run may be finished or under way; nothing is changed.

    Raises:
        RunFolderError: it is no run folder.
    """
    study = Study(folder)
    if not (folder / RUN).is_file():
        raise RunFolderError(f"{folder} is no run folder, it has no {RUN}: give the folder of a run")
    run = _or_none(study.run)
    is_old = run is not None and run.schema < SCHEMA
    others = [path.parent for path in folder.rglob(RUN) if path.parent != folder]  # a demo's pretraining
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK]
    own = [path for path in paths if not any(other in path.parents for other in others)]
    found = [*(_state(study, path, is_old=is_old) for path in own), *_missing(study)]
    for other in others:
        place = other.relative_to(folder).as_posix()
        found += [replace(state, file=f"{place}/{state.file}") for state in check(other)]
    return tuple(sorted(found, key=lambda state: state.file))


def _state(study: Study, path: Path, *, is_old: bool) -> FileState:
    name = path.relative_to(study.folder).as_posix()
    if is_old and (name in OTHER_IN_0_1 or path.parent.name == CACHE):
        return FileState(name, "not checked", "of version 0.1, where it was another file without a digest")
    look = _look(study, path, name)
    if look is None:
        return FileState(name, "not checked", DERIVED.get(path.suffix, "not a file of a run"))
    try:
        look()
    except (TTLError, OSError, ValueError, SyntaxError) as error:  # SyntaxError: what Pillow calls a broken PNG
        return FileState(name, "damaged", str(error).removeprefix(f"{path} "))
    return FileState(name, "whole")


def _look(study: Study, path: Path, name: str) -> Callable[[], object] | None:
    """What raises an error where a file isn't whole; None where there is nothing to look at."""
    identity = path.parent.name
    of_run: dict[str, Callable[[], object]] = {
        RUN: study.run,
        REPORT: lambda: read_report(study.folder),
        SPLITS: lambda: _check_splits(study, path),
        **{file: partial(typed.read, kind, path) for file, kind in TYPED.items()},
    }
    if name in of_run:
        return of_run[name]
    if name.startswith(PREFIX) and path.suffix == ".json":
        return partial(typed.read, Validation, path)
    if path.parent.parent == study.folder / TRIALS:
        of_trial: dict[str, Callable[[], object]] = {
            TRIAL: lambda: study.trial(identity),
            DESCRIPTION: lambda: read_bundle(path.parent),
            TEST: partial(typed.read, Tested, path),
            DECISION: partial(typed.read, DecisionRule, path),
            **dict.fromkeys((MODEL_WEIGHTS, JOINT_WEIGHTS), lambda: _check_weights(study.trial(identity), path)),
        }
        return of_trial.get(path.name)
    if path.parent == study.folder / TRIALS and path.suffix == ".state":
        return lambda: _must(is_whole(path), "no fine-tune can go on from it; it would begin anew")
    if path.parent == study.folder / CACHE:
        return lambda: _must(read_cached(path) is not None, "its bytes aren't those that were written; remove it")
    of_suffix: dict[str, Callable[[], object]] = {
        ".png": lambda: _check_picture(path),
        ".bin": lambda: properties_of(path.with_suffix(".xml")),
        ".json": lambda: typed.read_sealed(path),
        **dict.fromkeys((".onnx", ".xml", ".pt2"), lambda: _check_export(study, path)),
    }
    return of_suffix.get(path.suffix)


def _check_picture(path: Path) -> None:
    with Image.open(path) as image:
        image.verify()


def _check_weights(record: TrialRecord | None, path: Path) -> None:
    if record is None:
        raise ValueError(f"there is no {TRIAL} beside it")
    _must(record.weights_sha256 in ("", files.sha256(path)), "its bytes aren't those that were written")


def _check_export(study: Study, path: Path) -> None:
    if path.suffix != ".pt2":
        properties_of(path)
    exports = _or_none(lambda: study.read(Exports, EXPORTS))
    record = exports.files.get(path.name) if exports else None
    if record is not None and record.sha256 is not None:
        _must(record.sha256 == files.sha256(path), "its bytes aren't those that passed the checks")


def _check_splits(study: Study, path: Path) -> None:
    run = study.run()
    written = run.splits_sha256 if run else ""
    _must(written in ("", files.sha256(path)), "it isn't the split that the run was begun with")


def _must(is_so: bool, why: str) -> None:
    if not is_so:
        raise ValueError(why)


def _missing(study: Study) -> Iterator[FileState]:
    """Files that others speak of, and that aren't there."""
    exports = _or_none(lambda: study.read(Exports, EXPORTS))
    for name, record in (exports.files if exports else {}).items():
        if record.state == "passed" and not (study.folder / name).is_file():
            yield FileState(name, "missing", f"{EXPORTS} has it: `ttl export` or the same `ttl run` makes it anew")
    report = _or_none(lambda: read_report(study.folder))
    trials = {trial for candidate in (report.candidates if report else ()) for trial in candidate.trials}
    trials |= {path.parent.name for path in (study.folder / TRIALS).glob(f"*/{TRIAL}")}
    for trial in sorted(trials):
        own = _or_none(partial(study.trial, trial))
        weights = (JOINT_WEIGHTS,) if own and own.heads else (MODEL_WEIGHTS, DESCRIPTION)
        for file in weights if own else (TRIAL,):
            if not (study.trial_folder(trial) / file).is_file():
                remedy = "remove the folder, and give the same command again"
                yield FileState(f"{TRIALS}/{trial}/{file}", "missing", remedy)


def _or_none(read: Callable[[], T | None]) -> T | None:
    """What is read; None where it can't be trusted, which its own state says already."""
    try:
        return read()
    except TTLError:
        return None
