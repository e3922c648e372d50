"""From what a run found out to its report: what was chosen, against what, how sure that is, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import nan
from typing import Any

import numpy as np

from ttl import processes
from ttl.cost.latency import Latency
from ttl.data import describe
from ttl.deliver.file_record import FileRecord
from ttl.report.schema import RunReport
from ttl.report.schema.asked import ModelRecord, RecipeRecord, TaskRecord, WeightsRecord
from ttl.report.schema.on_test import CamCases, Comparison, MaskCases, Network, PerClass
from ttl.report.schema.searched import (
    CandidateResult,
    ComparedPoint,
    FailedFineTune,
    LatencyLimit,
    MeanAndDeviation,
    PointResult,
    SearchRecord,
    SearchStep,
    SeedSpread,
    StoppedFineTune,
    StoppedFineTunes,
    Svcca,
    TimedPoint,
    point_record,
)
from ttl.run.comparing import compared
from ttl.run.findings import Findings
from ttl.run.on_test import on_test
from ttl.run.seed_runs import SeedRuns
from ttl.run.setting import RunSetting
from ttl.search.evidence.overlap import OVERLAP, Similarities
from ttl.search.strategy import Batch, SearchEnd
from ttl.stats import per_class
from ttl.study.record import TrialRecord
from ttl.study.run_record import RunRecord
from ttl.words.estimate import Estimate

MACS_PER_TRAINING_STEP = 3
"""A training step costs about three forward passes: one forward, two backward."""


@dataclass(frozen=True)
class Delivered:
    """What a run delivered, beside its report.

    Attributes:
        export: the chosen network's file with the whole one's beside it; None before the export.
        latency: rows of the latency table.
        overlays: of a segmentation, the pictures of some cases.
        cams: of a classification, the Grad-CAM of some cases.
        exports: every file of the run.
    """

    export: FileRecord | None = None
    full: FileRecord | None = None
    latency: tuple[Latency, ...] = ()
    overlays: MaskCases | None = None
    cams: CamCases | None = None
    exports: tuple[FileRecord, ...] = field(default=())
