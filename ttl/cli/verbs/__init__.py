"""The verbs; importing this package gives them to the command."""

from ttl.cli.verbs import bench, export, plan, predict, report, run, validate

__all__ = ["bench", "export", "plan", "predict", "report", "run", "validate"]
