"""The content of report.json as frozen values: `RunReport`, and what it is made of."""

from ttl.report.schema.run_report import REPORT, RunReport, read_report, report_of

__all__ = ["REPORT", "RunReport", "read_report", "report_of"]
