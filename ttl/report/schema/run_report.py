"""The content of report.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import nan
from operator import attrgetter
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import Field

from ttl.cost.latency import Latency
from ttl.data.describe import Description
from ttl.deliver.file_record import FileRecord
from ttl.deliver.pictures.cases import CamCases, MaskCases, Which
from ttl.errors import RunFolderError
from ttl.report.schema.decided import Decisions, Probabilities
from ttl.report.schema.on_test import Calibration, Comparison, Confusion, Curves, LabelConfusion, PerClass
from ttl.report.schema.searched import (
    AnyPoint,
    CandidateResult,
    FailedFineTune,
    MeanAndDeviation,
    PointResult,
    SearchRecord,
    Svcca,
)
from ttl.report.schema.subgroups import Subgroup
from ttl.search.evidence.curve import Look as Seen
from ttl.study.ledger import Look
from ttl.study.run_record import RunRecord
from ttl.typed import OptionalKey, from_json, read_sealed
from ttl.words.estimate import Estimate
from ttl.words.metric import Metric, metric

REPORT = "report.json"
SCHEMA = SCHEMA_VERSION = 1
"""The version rises with a change that an older ttl would read wrongly; a key more is none. It is 1 where it lacks."""


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """The weights that the network began with; `missing` and `ignored` are names of tensors."""

    source: str
    loaded: int
    missing: tuple[str, ...]
    ignored: tuple[str, ...]
    sha256: str | None
    entry: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """The network and the images that it takes; `image_size` is in pixels: a square's side, or each side."""

    name: str
    image_size: int | tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    # what was done where images have other proportions; None in segmentation, where they keep their size
    fit: OptionalKey[str] = None
    weights: WeightsRecord


@dataclass(frozen=True, kw_only=True)
class RecipeRecord:
    """How every candidate was fine-tuned; `augment` is a preset's name, or the fields of `ttl.data.Augment`."""

    name: str
    source: str
    phases: str
    epochs_cap: int | None
    batch_size: int
    accumulate: int
    augment: str | Mapping[str, str | int | float | bool]
    dropout: float
    balance: str
    amp: str
    processes: int
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class DeliveredFiles(FileRecord):
    """The chosen network's file, `path` as `file`, and the whole one's beside it."""

    path: str
    full_path: str
    full_size_bytes: int | None
    full_parity_max_abs: float | None


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """All that a run found out, finished or under way; `unfinished` until the files are exported.

    `metric` is the key of the one that chooses. Points, and those that were fine-tuned, go from the lowest to the whole
    network; `probe` and `joint` are the curves of the probe and of the joint network's heads. `full` is None until the
    whole network is fine-tuned, `chosen` and all that follows it while the search runs. Of classifications there are
    `curves`, `confusion`, `calibration` and `cams`, of masks `per_class` and `overlays`; `looks` are those at the test
    images.
    """

    schema: int = SCHEMA
    schema_version: int = SCHEMA_VERSION
    status: Literal["finished", "unfinished"]
    metric: str
    task: Description
    model: ModelRecord
    points: Annotated[tuple[AnyPoint, ...], Field(min_length=1)]
    recipe: RecipeRecord
    candidates: tuple[CandidateResult, ...]
    failed: tuple[FailedFineTune, ...] = ()
    search: SearchRecord
    probe: tuple[Seen, ...] = ()
    joint: tuple[Seen, ...] = ()
    svcca: Svcca = field(default_factory=Svcca)
    latency: tuple[Latency, ...] = ()
    run: RunRecord
    full: OptionalKey[PointResult] = None
    chosen: OptionalKey[PointResult] = None
    comparison: OptionalKey[Comparison] = None
    decisions: OptionalKey[Decisions] = None
    probabilities: OptionalKey[Probabilities] = None
    subgroups: tuple[Subgroup, ...] = ()
    curves: OptionalKey[Curves] = None
    confusion: OptionalKey[Confusion | LabelConfusion] = None
    calibration: OptionalKey[Calibration] = None
    per_class: OptionalKey[Mapping[Which, PerClass]] = None
    export: OptionalKey[DeliveredFiles] = None
    overlays: OptionalKey[MaskCases] = None
    cams: OptionalKey[CamCases] = None
    exports: tuple[FileRecord, ...] = ()
    looks: tuple[Look, ...] = ()

    def __post_init__(self) -> None:
        """Check what one part says of another.

        Raises:
            ValueError: points are out of order, a cut is none of them, or a confusion matrix doesn't fit the classes.
        """
        if not all(one < other for one, other in pairwise((0, *(point.index for point in self.points)))):
            raise ValueError("the indices of the points don't rise from 1 on")
        results = {of.point or of.cut for of in (*self.candidates, self.chosen, self.full) if of is not None}
        cuts = results | {of.cut for of in (*self.probe, *self.joint)} | {of.cut for of in self.svcca.points}
        if strangers := cuts - {point.name for point in self.points}:
            raise ValueError(f"there is no truncation point called {min(strangers)}")
        sides = (self.confusion.full, self.confusion.chosen) if self.confusion else ()
        if any(side is not None and len(side) != len(self.task.class_names) for side in sides):
            raise ValueError("the confusion matrices have not a row for each of the class names")

    @property
    def is_finished(self) -> bool:
        """Whether nothing is still to be done."""
        return self.status == "finished" and self.chosen is not None

    @property
    def score(self) -> Metric:
        """The metric that chooses."""
        return self.measure(self.metric)

    def measure(self, key: str) -> Metric:
        """How a metric is called and written here."""
        return metric(key, self.task.distance_unit or "")

    def validation(self, result: PointResult) -> Estimate:
        """The metric that chooses, on the validation images."""
        return result.val.get(self.metric, Estimate())

    def tested(self, result: PointResult | None) -> Estimate:
        """The same on the test images."""
        return Estimate() if result is None else result.test.get(self.metric, Estimate())

    def over_seeds(self, result: PointResult | None, split: str) -> MeanAndDeviation:
        """The same of several seeds; NaN where there is one."""
        if result is None or result.spread is None:
            return MeanAndDeviation()
        return (result.spread.val if split == "val" else result.spread.test).get(self.metric, MeanAndDeviation())

    @property
    def as_good(self) -> bool | None:
        """Whether the chosen network is shown to be as good as the whole one, in the metric that chooses and in what
        it decides; None where they weren't compared.
        """
        if self.comparison is None:
            return None
        if self.full is not None and self.full.undertrained is not None and self.full.undertrained.blocks:
            return False  # to be as good as what learned nothing is to show nothing
        if self.decisions is None and not self.task.kind.per_pixel:
            return False  # a report of an earlier version, which compared one of the two
        endpoint = self.decisions.endpoint if self.decisions else None
        return self.comparison.non_inferior and (endpoint is None or endpoint.non_inferior)

    @property
    def keeps_whole(self) -> bool:
        """Whether the whole network was chosen."""
        return self.chosen is not None and self.is_whole(self.chosen.cut)

    def is_whole(self, cut: str) -> bool:
        """Whether a point is the whole network, the last one."""
        return cut == self.points[-1].name

    def is_chosen(self, cut: str) -> bool:
        """Whether a candidate is the one that the search chose."""
        return self.chosen is not None and cut == self.chosen.cut

    def ends_at(self, point: str) -> bool:
        """Whether the chosen candidate ends at a point."""
        return self.chosen is not None and point == (self.chosen.point or self.chosen.cut)

    def index_of(self, cut: str) -> int:
        """The place of a point, 1 the lowest."""
        return next(point.index for point in self.points if point.name == cut)

    def timed_pair(self) -> tuple[Latency | None, Latency | None]:
        """The first timing of the chosen network's file, and the whole one's in the same setting."""
        setting = attrgetter("runtime", "device", "batch", "threads")
        cut = next((row for row in self.latency if not is_of_whole(row)), None)
        whole = (row for row in self.latency if is_of_whole(row) and cut and setting(row) == setting(cut))
        return cut, next(whole, None)


def is_of_whole(row: Latency) -> bool:
    """Whether a timing is of the whole network: `full` or `full.onnx`."""
    return PurePath(row.model).stem == "full"


def ratio_of(row: Latency) -> Estimate:
    """The time divided by the whole network's, with its interval."""
    figures = (row.ratio_to_full, *(row.ratio_ci or (None, None)))
    return Estimate(*(nan if figure is None else figure for figure in figures))


def read_report(run_folder: Path) -> RunReport:
    """The content of a run folder's report.json.

    Raises:
        RunFolderError: there is none, it is damaged, or another version wrote it.
    """
    path = Path(run_folder) / REPORT
    if not path.is_file():
        raise RunFolderError(f"{path} does not exist: give the folder of a `ttl run` or `ttl search`.")
    return report_of(read_sealed(path), where=str(path))


def report_of(content: object, *, where: str) -> RunReport:
    """The report that JSON values hold; `where` is the file that they come from, for the message.

    Raises:
        RunFolderError: they don't fit; the sentence names the field.
    """
    if isinstance(content, dict):
        schema, version = content.get("schema", SCHEMA), content.get("schema_version", 1)
        # Checked before the fields: those of a later version may be others.
        if schema != SCHEMA or (isinstance(version, int) and version > SCHEMA_VERSION):
            raise RunFolderError(
                f"{where} has schema {schema} in version {version}, and this ttl reads schema {SCHEMA} up to version "
                f"{SCHEMA_VERSION}: use the ttl that wrote it."
            )
        content = content | {"schema_version": version}
    return from_json(RunReport, content, where=where)
