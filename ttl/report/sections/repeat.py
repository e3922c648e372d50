"""Everything needed to do it again."""

from __future__ import annotations

from ttl.report.blocks import Block, Code, Facts, Section
from ttl.report.reading import Report, mapping
from ttl.words import units
from ttl.words.estimate import number


def do_it_again(report: Report) -> Section | None:
    """Command, seed, versions and hardware."""
    run = mapping(report.raw, "run")
    if not run:
        return None
    pairs = [("Seed", units.plain(run.get("seed"))), ("Started", units.plain(run.get("started")))]
    pairs.append(("Took", units.duration(number(run.get("seconds")))))
    rest = {"command", "seed", "started", "seconds", "versions", "hardware"}
    pairs += [(key.replace("_", " "), units.plain(value)) for key, value in run.items() if key not in rest]
    blocks: list[Block] = [Code(str(run["command"]))] if run.get("command") else []
    blocks.append(Facts(tuple(pairs)))
    for key, title in (("versions", "Versions"), ("hardware", "Hardware")):
        values = mapping(run, key)
        if values:
            lines = ((name.replace("_", " "), units.plain(value)) for name, value in values.items())
            blocks.append(Facts(tuple(lines), title))
    return Section("again", "To do it again", tuple(blocks))
