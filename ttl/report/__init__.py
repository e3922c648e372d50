"""report.json -> report.html: one page, no network, for a person who has to decide."""

from ttl.report.grids import Grid, read_tables, write_csv
from ttl.report.page import render, summary, write_report
from ttl.report.schema import RunReport, read_report, report_of
from ttl.report.validation_page import write_validations
from ttl.report.wording import undertrained

__all__ = [
    "Grid",
    "RunReport",
    "read_report",
    "read_tables",
    "render",
    "report_of",
    "summary",
    "undertrained",
    "write_csv",
    "write_report",
    "write_validations",
]
