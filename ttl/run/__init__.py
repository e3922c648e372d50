"""The whole job wired together: the only place that knows every step."""

from ttl.run.checking import check
from ttl.run.exporting_flow import export
from ttl.run.flow import finetune, run
from ttl.run.library import search
from ttl.run.planning import plan
from ttl.run.validating import validate

__all__ = ["check", "export", "finetune", "plan", "run", "search", "validate"]
