"""How a finished run's files are tried on another data set: one frozen value, from a TOML file and flags alike."""

from __future__ import annotations

from copy import copy
from typing import Annotated, Any

from pydantic import StringConstraints

from ttl.config import RunConfig
from ttl.options import values
from ttl.options.option import Options, option

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


def _of_run(name: str) -> Any:
    """An option that means the same as that of a run."""
    return copy(RunConfig.model_fields[name])


class ValidateConfig(Options):
    """What `ttl validate` may be asked for."""

    margin: values.Share | None = option(
        None, "Loss in the metric that doesn't matter, to judge by", "judging", unset="the run's"
    )
    margin_decision: values.Share | None = option(
        None, "Loss at the operating point that doesn't matter, to judge by", "judging", unset="the run's"
    )

    threshold: values.Share | None = option(
        None,
        "Another probability from which on a finding counts as present, of both files",
        "deciding",
        unset="each file's own",
    )
    prevalence: values.Share | None = option(
        None, "Share of positives where the model will be used, for PPV and NPV", "deciding", unset="that of the data"
    )

    image_column: values.Text | None = _of_run("image_column")
    image_root: values.Place | None = _of_run("image_root")
    image_suffix: values.Text | None = _of_run("image_suffix")
    label_columns: values.Texts = _of_run("label_columns")
    mask_column: values.Text | None = _of_run("mask_column")
    mask_values: values.MaskValues | None = option(
        None,
        "Value, or colour, of each class in the masks, in the order of the model's classes",
        "data",
        unset="the run's",
        metavar="0,128,255|'#000000,#ff0000'|0,other",
    )
    group_column: values.Text | None = option(
        None, "Column of a manifest with the patient", "data", unset="by its name"
    )
    subgroup_columns: values.Texts = _of_run("subgroup_columns")
    window: values.Window | None = option(
        None,
        "Values of DICOM files to show, in Hounsfield units for CT",
        "data",
        unset="the model's, else the header's",
        metavar="CENTER WIDTH",
    )
    value_range: values.Range | None = option(
        None,
        "Values that become black and white, of images with more than 8 bits a channel",
        "data",
        flag="range",
        unset="the model's, else each image's own",
        metavar="LOW HIGH",
    )
    frame: values.Frame | None = option(
        None, "Of a file with several frames", "data", unset="the model's", metavar="first|middle|all|N"
    )
    skip_bad: bool = _of_run("skip_bad")
    drop_seen: bool = option(False, "Leave out the images and patients that the run has seen", "data")
    other_patients: bool = option(False, "Patients whose names the run has, too, are others than its own", "data")
    no_leak_check: bool = option(False, "Don't search the data for images that the run has seen", "data")

    name: Name | None = option(None, "Of the files: validation-NAME.json and .html", "output", unset="by the data")
