"""SVCCA by covariances in torch, against the way it is usually written in NumPy.

    python benchmarks/similarity.py                 # d = 256, n = 8192

The NumPy ones do as the published code does: an SVD of each set of features, the pseudo-inverses of both
covariances, their square roots, and the SVD of the product; `full` computes all of the SVD's left vectors, as
`np.linalg.svd` does if it isn't told otherwise, `thin` only those that count. All get the same features in float64 and
keep all directions. They are timed in turns in one process on the same number of threads; given are medians, the median
of the ratios of the turns, and the largest difference between coefficients. The last row computes eight draws at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch

from ttl.stats.similarity import svcca

RESULTS = Path(__file__).parent / "results" / "similarity.json"
Array = npt.NDArray[np.float64]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=8192)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--results", type=Path, default=RESULTS)
    told = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (told.draws, told.samples, told.dimensions)
    x = rng.standard_normal(shape)
    share = np.linspace(0.99, 0.01, told.dimensions)
    mixing = rng.standard_normal((told.dimensions, told.dimensions))
    y = (share * x + np.sqrt(1 - share**2) * rng.standard_normal(shape)) @ mixing
    first, second = torch.from_numpy(x), torch.from_numpy(y)
    work: dict[str, Callable[[], Array]] = {
        "numpy, full": lambda: by_pseudo_inverse(x[0], y[0], full=True),
        "numpy, thin": lambda: by_pseudo_inverse(x[0], y[0], full=False),
        "ttl": lambda: svcca(first[0], second[0], keep=1.0).coefficients.numpy(),
        f"ttl, {told.draws} draws": lambda: svcca(first, second, keep=1.0).coefficients.numpy(),
    }
    found = {name: each() for name, each in work.items()}
    apart = max(float(np.abs(found[f"numpy, {kind}"] - found["ttl"]).max()) for kind in ("full", "thin"))
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(told.turns):
        for name, each in work.items():
            start = perf_counter()
            each()
            seconds[name].append(perf_counter() - start)
    ratios = {
        kind: median(a / b for a, b in zip(seconds[f"numpy, {kind}"], seconds["ttl"], strict=True))
        for kind in ("full", "thin")
    }
    content = {
        "samples": told.samples,
        "dimensions": told.dimensions,
        "largest_difference": apart,
        "seconds": {name: median(values) for name, values in seconds.items()},
        "numpy_over_ttl": ratios,
        "machine": {"cpu": platform.machine(), "threads": torch.get_num_threads(), "cores": os.cpu_count()},
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }
    told.results.parent.mkdir(parents=True, exist_ok=True)
    told.results.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, values in seconds.items():
        print(f"{name:<14} {median(values):8.4f} s")
    for kind, ratio in ratios.items():
        print(f"NumPy, {kind} SVD, takes {ratio:.1f} times as long")
    print(f"coefficients differ by at most {apart:.1e}")


def by_pseudo_inverse(x: Array, y: Array, *, full: bool) -> Array:
    """Canonical correlations as the published SVCCA code computes them, all directions kept."""
    x, y = x - x.mean(0), y - y.mean(0)
    n = len(x)
    projected = []
    for side in (x, y):
        left, values, _ = np.linalg.svd(side, full_matrices=full)
        projected.append(left[:, : len(values)] * values)
    x, y = projected
    square_roots = [inverse_square_root(side.T @ side / (n - 1)) for side in (x, y)]
    coefficients: Array = np.linalg.svd(square_roots[0] @ (x.T @ y / (n - 1)) @ square_roots[1])[1]
    return coefficients


def inverse_square_root(covariance: Array) -> Array:
    """The square root of the pseudo-inverse of a covariance, by its SVD."""
    left, values, right = np.linalg.svd(np.linalg.pinv(covariance))
    root: Array = left @ np.diag(np.sqrt(values)) @ right
    return root


if __name__ == "__main__":
    main()
