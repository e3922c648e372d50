"""The timing protocol, with reasons in docs/latency.md: models in turns in one process, in several fresh processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import ceil

from ttl.cost.fresh import in_fresh_process
from ttl.cost.session import Hardware, check_file, hardware, load_average, provider_of, resolve_threads
from ttl.cost.subject import COMPILED, CPU, CUDA, LIBRARIES, Array, Inspected, Request, Setting, Subject, Timed
from ttl.cost.worker import inspected, timed
from ttl.errors import UsageError
from ttl.words.sides import ImageSize, sides_of

Tell = Callable[[str], None]
PROCESSES = 3
BUSY_LOAD = 0.5
"""A load average above it: others compute. A process that always computes makes 1, an idle machine's chores 0.1."""


@dataclass(frozen=True)
class Way:
    """A model, called in one way, in one setting."""

    model: str
    runtime: str
    """With its version, as `PyTorch 2.15.0 compiled`."""
    device: str
    """`cpu`, `cuda, io-binding` or `cuda, copies`."""
    provider: str
    """Where it really ran, in words."""
    batch: int
    threads: int


@dataclass(frozen=True)
class Times(Way):
    """What was measured of it."""

    # `(rounds,)` float64 for each process; element i was measured in round i of that process, for every model of the
    # same runtime, device and setting
    times_ms: tuple[Array, ...] = field(repr=False)
    # one of each process: opening the model and calling it once. The file is in the system's cache, the library has
    # called a model before; compiling is part of it, where the compiler's cache doesn't help.
    cold_starts_ms: tuple[float, ...]
    peak_memory_bytes: int | None  # see `ttl.cost.worker.inspected`; None where it isn't known
    failed: str = ""  # why there are no times; empty where there are

    @property
    def runs(self) -> int:
        """Timed calls in all processes together."""
        return sum(map(len, self.times_ms))


@dataclass(frozen=True)
class Conditions:
    """What figures were measured on; `load_average_before` and `_after` are of the minute before and the last one."""

    hardware: Hardware
    load_average_before: float | None
    load_average_after: float | None

    @property
    def busy(self) -> bool:
        """Whether others computed when timing began."""
        return self.load_average_before is not None and self.load_average_before > BUSY_LOAD


@dataclass(frozen=True)
class Bench:
    """Raw times, and how they were measured; `runs` were asked for, `warm` is whether times had settled everywhere."""

    times: tuple[Times, ...]
    conditions: Conditions
    runs: int
    processes: int
    warm: bool

    @property
    def cut_short(self) -> bool:
        """Whether a model has fewer runs than were asked for."""
        return any(times.runs < self.runs for times in self.times if not times.failed)


def bench(
    subjects: Sequence[Subject],
    *,
    batches: Sequence[int] = (1,),
    threads: Sequence[int] | None = None,
    runs: int = 200,
    processes: int = PROCESSES,
    seconds: float = 60.0,
    device: str = CPU,
    image_size: ImageSize | None = None,
    inspect: bool = True,
    seed: int = 0,
    tell: Tell = lambda text: None,
) -> Bench:
    """Time models against each other; `ttl.cost.latency.latency_rows` makes the table of it.

    Each library is timed in processes of its own: it has threads that would be in the other's way.

    Args:
        subjects: an ONNX file has one float input `(batch, channels, height, width)`.
        batches, threads: each pair is a setting; threads are 1 and every core at hand by default, on CUDA 1.
        runs: timed calls of each model in each setting, all processes together.
        processes: fresh ones, one after another, in which each setting is measured.
        seconds: wall-clock limit for all warming up and timing. At least 5 rounds are timed in each process;
            starting processes, opening and compiling models come on top.
        image_size: side of a square, or height and width, for files that leave them open.
        inspect: whether to measure peak memory and see which provider runs, too, in a process for each model.
        seed: of the order of models, and of the random images.
        tell: is given what begins.

    Raises:
        ExportError: a file can't be opened.
        UsageError: an option makes no sense, or a file's input doesn't fit it.
        LatencyError: CUDA was asked for and can't be had; or a process died.
    """
    _check(subjects, device, {"batch": batches, "runs": [runs], "processes": [processes], "seconds": [seconds]})
    sides = () if image_size is None else sides_of(image_size)
    settings = [Setting(batch, count, device, sides) for batch, count in product(batches, _counts(threads, device))]
    names = dict.fromkeys(LIBRARIES.values())
    libraries = ([each for each in subjects if LIBRARIES[each.runtime] == name] for name in names)
    groups = [tuple(group) for group in libraries if group]
    work = [Request(group, setting, ceil(runs / processes)) for setting in settings for group in groups]
    machine, before = hardware(), load_average()
    memory = dict(_inspected(subjects if inspect else (), settings, tell))
    answers = _repeated(work, processes, seconds, seed, tell)
    times = (found for request, of in zip(work, answers, strict=True) for found in _gathered(request, of, memory))
    warm = all(one.warm for of in answers for one in of)
    return Bench(tuple(times), Conditions(machine, before, load_average()), runs, processes, warm)


def _counts(threads: Sequence[int] | None, device: str) -> list[int]:
    if threads:
        return [resolve_threads(count) for count in threads]
    return [1] if device == CUDA else sorted({1, resolve_threads(None)})


def _repeated(work: Sequence[Request], processes: int, seconds: float, seed: int, tell: Tell) -> list[list[Timed]]:
    """For each request what each of its processes says; what one leaves of its share of the seconds the others have."""
    answers: list[list[Timed]] = [[] for _ in work]
    left, used = len(work) * processes, 0.0
    for process, (number, request) in product(range(processes), enumerate(work)):
        library = LIBRARIES[request.subjects[0].runtime]
        way = f"{library}, batch {request.setting.batch}, threads {request.setting.threads}"
        tell(f"{way}: process {process + 1} of {processes}")
        share = max(seconds - used, 0.0) / left
        answers[number].append(in_fresh_process(timed, replace(request, seconds=share, seed=(seed, process))))
        used, left = used + answers[number][-1].seconds, left - 1
    return answers


def _check(subjects: Sequence[Subject], device: str, above_zero: dict[str, Sequence[float]]) -> None:
    if not subjects:
        raise UsageError("There is nothing to time: give at least one ONNX file.")
    for name, values in above_zero.items():
        if min(values) <= 0:
            raise UsageError(f"{name} is {min(values)}: it must be above 0.")
    provider_of(device)
    for subject in subjects:
        if not subject.loader:
            check_file(subject.path)


def _inspected(
    subjects: Sequence[Subject], settings: Sequence[Setting], tell: Tell
) -> Iterator[tuple[tuple[Subject, int], Inspected]]:
    """A process for each model and batch, at the most threads; the compiler's own memory would hide a model's."""
    most = max(setting.threads for setting in settings)
    for subject, setting in product(subjects, settings):
        if setting.threads == most and subject.runtime != COMPILED:
            tell(f"{subject.name}, {subject.runtime}, batch {setting.batch}: memory")
            yield (subject, setting.batch), in_fresh_process(inspected, Request((subject,), setting))


def _gathered(
    request: Request, answers: Sequence[Timed], memory: Mapping[tuple[Subject, int], Inspected]
) -> Iterator[Times]:
    setting = request.setting
    for position, subject in enumerate(request.subjects):
        models = [answer.models[position] for answer in answers]
        seen = memory.get((subject, setting.batch), Inspected(None, setting.device))
        failed = next((model.failed for model in models if model.failed), "")
        for device in models[0].times_ms:
            yield Times(
                *(subject.name, models[0].runtime, device, seen.provider, setting.batch, setting.threads),
                times_ms=() if failed else tuple(model.times_ms[device] for model in models),
                cold_starts_ms=() if failed else tuple(model.cold_start_ms for model in models),
                peak_memory_bytes=seen.peak_memory_bytes,
                failed=failed,
            )
