"""The sections of the page, in its order."""

from __future__ import annotations

from pathlib import Path

from ttl.report.page_blocks import Section
from ttl.report.schema import RunReport
from ttl.report.sections.chosen_against_whole import chosen_against_whole
from ttl.report.sections.data_and_split import data_and_split
from ttl.report.sections.export_checks import export_checks
from ttl.report.sections.fine_tuning import fine_tuning
from ttl.report.sections.gradcam_pictures import gradcam_pictures
from ttl.report.sections.mask_pictures import mask_pictures
from ttl.report.sections.on_test_images import class_curves, confidence, confusion
from ttl.report.sections.reproduction import network_weights, reproduction
from ttl.report.sections.search_cost import search_cost
from ttl.report.sections.timings import timings
from ttl.report.sections.why_this_point import why_this_point


def sections_of(report: RunReport, folder: Path | None) -> list[Section]:
    """All sections that the report has something for; `folder` is where the pictures lie that it names, if anywhere."""
    sections = (
        chosen_against_whole(report),
        why_this_point(report),
        fine_tuning(report),
        class_curves(report),
        mask_pictures(report, folder),
        confusion(report),
        confidence(report),
        gradcam_pictures(report, folder),
        data_and_split(report),
        export_checks(report),
        timings(report),
        search_cost(report),
        network_weights(report),
        reproduction(report),
    )
    return [section for section in sections if section is not None]
