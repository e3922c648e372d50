"""Where a network can be cut, and what each cut costs."""

from ttl.cut.points.find import truncation_points
from ttl.cut.points.point import TruncationPoint, TruncationPoints, UNetPoint, point_from_json

__all__ = ["TruncationPoint", "TruncationPoints", "UNetPoint", "point_from_json", "truncation_points"]
