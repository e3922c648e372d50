"""The verbs, a file each; importing this package gives them to the command."""

from ttl.cli.verbs import bench, check, export, finetune, plan, points, predict, report, run

__all__ = ["bench", "check", "export", "finetune", "plan", "points", "predict", "report", "run"]
