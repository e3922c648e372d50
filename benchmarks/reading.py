"""How long it takes to read a data set, here and in another checkout of ttl, in turns.

    git worktree add ../before COMMIT
    python benchmarks/reading.py data/xray --against ../before

Each turn is a process of its own: it imports ttl from one of the two trees, and then times `load_task` (every image
checked and hashed, the split, the leak check) and the decoding of all splits to 224 pixels, on one thread of torch and
every core, in CPU seconds of all threads: on a shared machine those of the wall say who else was computing. The first
turn of each fills the caches of the file system and isn't counted. What importing torch left behind is kept from the
garbage collector: going through it once takes a tenth of a second, in one turn or another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from shared import measured_on

HERE = Path(__file__).resolve().parents[1]
TIMED = """
import gc, json, sys, time
import torch
from ttl.data import decode, load_task
gc.collect()
gc.freeze()
start = time.process_time()
task = load_task(sys.argv[1])
read = time.process_time()
for samples in task.splits.values():
    decode(samples, image_size=224)
decoded = time.process_time()
images = sum(map(len, task.splits.values()))
print(json.dumps({"images": images, "read_cpu_s": read - start, "decoded_cpu_s": decoded - read}))
"""


def turn(tree: Path, data: str) -> dict[str, float]:
    """One process."""
    there = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TIMED, os.path.abspath(data)]
    done = subprocess.run(command, env=there, cwd=tree, capture_output=True, text=True, check=True)
    timed: dict[str, float] = json.loads(done.stdout)
    return timed


def main() -> None:
    """Print medians, and the median of the ratios of the turns that lie beside each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--against", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--results", type=Path, default=HERE / "benchmarks" / "results" / "reading.json")
    asked = parser.parse_args()
    trees = {"here": HERE, "before": asked.against.resolve()}
    turns: list[dict[str, dict[str, float]]] = []
    for number in range(asked.turns + 1):
        order = list(trees) if number % 2 else list(trees)[::-1]
        both = {name: turn(trees[name], asked.data) for name in order}
        if number:
            turns.append(both)
    figures: dict[str, object] = {
        "data": Path(asked.data).name,
        "images": turns[0]["here"]["images"],
        "turns": len(turns),
    }
    for what in ("read_cpu_s", "decoded_cpu_s"):
        medians = {name: median(each[name][what] for each in turns) for name in trees}
        ratio = median(each["here"][what] / each["before"][what] for each in turns)
        figures[what] = {**medians, "ratio": ratio}
        print(f"{what:14} here {medians['here']:.3f}  before {medians['before']:.3f}  ratio {ratio:.3f}")
    asked.results.write_text(json.dumps({**figures, **measured_on()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
