"""The content of report.json as frozen values: `RunReport`, and what it is made of."""

from ttl.report.schema.run_report import RunReport, read_report, report_of

__all__ = ["RunReport", "read_report", "report_of"]
