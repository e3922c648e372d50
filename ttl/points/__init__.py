"""Where a network can be cut, and what each cut costs."""

from ttl.points.find import truncation_points
from ttl.points.point import TruncationPoint, UNetPoint, point_from_json
from ttl.points.table import TruncationPoints

__all__ = ["TruncationPoint", "TruncationPoints", "UNetPoint", "point_from_json", "truncation_points"]
