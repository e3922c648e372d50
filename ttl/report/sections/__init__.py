"""The sections of the page, in its order."""

from __future__ import annotations

from pathlib import Path

from ttl.report.page_blocks import Section
from ttl.report.schema import RunReport
from ttl.report.sections.chosen_against_whole import chosen_against_whole
from ttl.report.sections.class_curves import class_curves
from ttl.report.sections.confusion_matrix import confusion
from ttl.report.sections.data_and_split import data_and_split
from ttl.report.sections.exported_files import export_checks, timings
from ttl.report.sections.fine_tuning import fine_tuning
from ttl.report.sections.groups_of_images import groups_of_images
from ttl.report.sections.how_it_ran import network_weights, reproduction, search_cost
from ttl.report.sections.looks_at_test import looks_at_test
from ttl.report.sections.pictured_cases import gradcam_pictures, mask_pictures
from ttl.report.sections.reliability import confidence
from ttl.report.sections.what_it_decides import what_it_decides
from ttl.report.sections.why_this_point import why_this_point


def sections_of(report: RunReport, folder: Path | None) -> list[Section]:
    """All sections that the report has something for; `folder` is where the pictures lie that it names, if anywhere."""
    sections = (
        chosen_against_whole(report),
        what_it_decides(report),
        why_this_point(report),
        fine_tuning(report),
        class_curves(report),
        groups_of_images(report),
        mask_pictures(report, folder),
        confusion(report),
        confidence(report),
        gradcam_pictures(report, folder),
        data_and_split(report),
        looks_at_test(report),
        export_checks(report),
        timings(report),
        search_cost(report),
        network_weights(report),
        reproduction(report),
    )
    return [section for section in sections if section is not None]
