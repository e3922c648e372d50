"""The verbs, a file each; importing this package gives them to the command."""

from ttl.cli.verbs import bench, export, finetune, plan, points, predict, report, run

__all__ = ["bench", "export", "finetune", "plan", "points", "predict", "report", "run"]
