"""report.json -> report.html: one page, no network, for a person who has to decide."""

from __future__ import annotations

from ttl.report.page import render, summary, write_report

__all__ = ["render", "summary", "write_report"]
