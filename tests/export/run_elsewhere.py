"""Compare the onnxruntime here with the one that `write_files.py` was run with. Needs onnxruntime and numpy alone.

    python tests/export/run_elsewhere.py FOLDER

Prints a line for each file; exits 1 if one can't be run or gives something else than rounding explains.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

# Of the largest output. A float32 sum in another order differs by 1e-6 of it, a float16 one by a thousandth; in int8 a
# value on the border of two steps of 1/255 may go the other way.
TOLERANCE = {"fp32": 1e-4, "pixels": 1e-4, "fp16": 1e-2, "int8": 2e-2}


def difference(path: Path) -> float:
    """The largest one over all inputs, as a share of the largest output."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    stored = np.load(path.with_suffix(".npz"))
    worst = 0.0
    for name in (name for name in stored.files if name.startswith("out")):
        (got,) = session.run(None, {"image": stored[name.replace("out", "in")]})
        wanted = stored[name]
        if got.shape != wanted.shape:
            raise ValueError(f"{got.shape} instead of {wanted.shape}")
        worst = max(worst, float(np.abs(got - wanted).max() / np.abs(wanted).max()))
    return worst


def main() -> None:
    """Go through the folder."""
    paths = sorted(Path(sys.argv[1]).glob("*.onnx"))
    lines, failed = [f"onnxruntime {ort.__version__}, {len(paths)} files"], not paths
    for path in paths:
        allowed = TOLERANCE[path.stem.partition("-")[0]]
        try:
            found = difference(path)
        except Exception as error:  # onnxruntime exports no base of its exceptions
            failed = True
            lines.append(f"{path.stem:<16}  fails: {str(error).splitlines()[0]}")
            continue
        failed |= not found <= allowed
        lines.append(f"{path.stem:<16}  {found:.1e} of the largest output (allowed {allowed:.0e})")
    print("\n".join(lines))  # noqa: T201
    sys.exit(failed)


if __name__ == "__main__":
    main()
