"""report.json -> report.html: one page, no network, for a person who has to decide."""

from __future__ import annotations

from ttl.report.page import render, summary, write_report
from ttl.report.tables import Grid, read_tables, write_csv

__all__ = ["Grid", "read_tables", "render", "summary", "write_csv", "write_report"]
