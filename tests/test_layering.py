"""Imports in ttl/ point one way, only the command line prints, and starting costs no torch."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from import_statements import imported, module_name
from ttl.cli.command import VERBS

PACKAGE = Path(__file__).resolve().parents[1] / "ttl"

# Lowest first. A room is a module or a package right under ttl/; it imports from those before it only.
ROOMS = (
    "errors",
    "processes",
    "files",
    "typed",
    "words",
    "options",
    "config",
    "stats",
    "data",
    "networks",
    "cut",
    "finetune",
    "study",
    "search",
    "cost",
    "export",
    "deliver",
    "report",
    "run",
    "cli",
    "__main__",
)
LEVEL = {room: level for level, room in enumerate(ROOMS)}

# Lower, and still not allowed: the search is handed `evaluate`.
FORBIDDEN = {("search", "finetune")}

PRINTERS = {"typer", "rich", "click"}
HEAVY = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "sklearn", "scipy", "pandas", "matplotlib", "ray")
START_LIGHT = ("ttl", "ttl.errors", "ttl.config", "ttl.cli")


def import_fault(room: str, target: str) -> str | None:
    """Why a module of `room` may not import `target`, a full name; None where it may."""
    top, _, rest = target.partition(".")
    if top in PRINTERS and room != "cli":
        return f"imports {top}: return a value or call a callback, only ttl/cli prints"
    if top != "ttl" or rest == "__version__":
        return None
    other = rest.partition(".")[0]
    if other not in LEVEL:
        return f"imports {target}: name the module of ttl/ that defines it"
    if LEVEL[other] <= LEVEL[room] and (room, other) not in FORBIDDEN:
        return None
    return f"imports ttl.{other}: {room} stands too low for that; hand it in from above"


def printing(tree: ast.Module) -> Iterator[int]:
    """Lines that write to the terminal with what Python has built in."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id="print") | ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr"):
                yield node.lineno


def faults_of(path: Path, package: Path) -> Iterator[str]:
    where = path.relative_to(package.parent).as_posix()
    module = module_name(path, package)
    if module == "ttl":
        return  # it hands out the public names of every room, lazily: see the tests on what starting imports
    room = module.split(".")[1]
    if room not in LEVEL:
        yield f"{where}: {room} has no level: give it one in ROOMS of tests/test_layering.py"
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, target in imported(tree, module, path.name == "__init__.py"):
        fault = import_fault(room, target)
        if fault:
            yield f"{where}:{line}: {fault}"
    if room != "cli":
        yield from (f"{where}:{line}: prints: only ttl/cli does" for line in printing(tree))


def faults(package: Path) -> list[str]:
    return [fault for path in sorted(package.rglob("*.py")) for fault in faults_of(path, package)]


def test_imports_point_one_way_and_only_the_command_line_prints() -> None:
    assert faults(PACKAGE) == []


def test_no_two_modules_have_the_same_file_name() -> None:
    """The file of a verb has the verb's name, whatever else has it."""
    places: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "__init__.py" and path.parent != PACKAGE / "cli/verbs":
            places.setdefault(path.name, []).append(path.relative_to(PACKAGE).as_posix())
    assert [same for same in places.values() if len(same) > 1] == []


def heavy_after(steps: dict[str, str]) -> dict[str, list[str]]:
    """Step -> what heavy it imported, in a fresh process; `steps` is name -> code."""
    lines = ["import json, sys", "seen = {}"]
    for name, code in steps.items():
        lines += [code, f"seen[{name!r}] = [heavy for heavy in {HEAVY} if heavy in sys.modules]"]
    code = "\n".join([*lines, "json.dump(seen, sys.stdout)"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_starting_and_help_import_nothing_heavy() -> None:
    steps = {module: f"import {module}" for module in START_LIGHT}
    steps["runner"] = "from typer.testing import CliRunner"
    for verb in ("", *VERBS):
        steps[f"{verb} --help"] = (
            f"assert CliRunner().invoke(ttl.cli.app, [*{verb.split()}, '--help']).exit_code == 0, {verb!r}"
        )
    assert heavy_after(steps) == {name: [] for name in steps}


def test_what_is_heavy_is_noticed() -> None:
    assert heavy_after({"light": "import json", "heavy": "import onnx"}) == {"light": [], "heavy": ["onnx"]}


def toy(folder: Path, files: dict[str, str]) -> list[str]:
    """The faults of a package ttl/ that holds `files`: path -> source."""
    package = folder / "ttl"
    for name, source in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return faults(package)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cut/graph.py", "from ttl.networks import load_backbone\nfrom ttl import stats\nimport ttl.errors"),
        ("study/folder.py", "from ttl.study.record import TrialRecord\nfrom . import record\nfrom .record import X"),
        ("config.py", "from ttl.errors import UsageError"),
        ("cut/heads.py", "from .truncation import truncate"),
        ("run/demo.py", "from ttl.run import run\nfrom ttl.report import page\nfrom ttl.deliver import exporting"),
        ("__main__.py", "from ttl.cli import main"),
        ("report/page.py", "from ttl import __version__\nfrom ..export import contract"),
        ("cli.py", "import rich\nimport sys\nfrom ttl import run\nprint(1, file=sys.stderr)"),
        ("export/run.py", "import onnx\nimport ttlxyz\nself.print('a method of its own')"),
        ("__init__.py", "from ttl.cli import main"),
    ],
)
def test_the_check_lets_pass_what_is_allowed(tmp_path: Path, name: str, source: str) -> None:
    assert toy(tmp_path, {name: source}) == []


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("data/task.py", "from ttl.cut import graph", "ttl/data/task.py:1: imports ttl.cut: data stands"),
        ("cut/graph.py", "def f():\n    import ttl.cli", "ttl/cut/graph.py:2: imports ttl.cli"),
        (
            "cut/graph.py",
            "if TYPE_CHECKING:\n    from ttl.export.bundle import B",
            "ttl/cut/graph.py:2: imports ttl.export",
        ),
        ("cut/graph.py", "from ttl import run", "ttl/cut/graph.py:1: imports ttl.run"),
        ("cut/graph.py", "from .. import run", "ttl/cut/graph.py:1: imports ttl.run"),
        ("stats/curves.py", "from ..data import task", "ttl/stats/curves.py:1: imports ttl.data"),
        ("stats/__init__.py", "from ..data import task", "ttl/stats/__init__.py:1: imports ttl.data"),
        ("data/a/b.py", "from ...cost import bench", "ttl/data/a/b.py:1: imports ttl.cost"),
        ("words/units.py", "from ttl.stats import Estimate", "ttl/words/units.py:1: imports ttl.stats"),
        ("search/probe.py", "from ttl.finetune.loop import fit", "ttl/search/probe.py:1: imports ttl.finetune"),
        ("search/probe.py", "import ttl.export.run", "ttl/search/probe.py:1: imports ttl.export"),
        ("study/folder.py", "from ttl.search import select", "ttl/study/folder.py:1: imports ttl.search"),
        ("deliver/exporting.py", "from ttl.report import page", "ttl/deliver/exporting.py:1: imports ttl.report"),
        ("report/page.py", "from ttl.run import run", "ttl/report/page.py:1: imports ttl.run"),
        ("run/flow.py", "from ttl.cli import main", "ttl/run/flow.py:1: imports ttl.cli"),
        ("cli/__init__.py", "import ttl.__main__", "ttl/cli/__init__.py:1: imports ttl.__main__"),
        (
            "cut/graph.py",
            "import importlib\nimportlib.import_module('ttl.cli')",
            "ttl/cut/graph.py:2: imports ttl.cli",
        ),
        (
            "report/page.py",
            "from ttl import truncate",
            "ttl/report/page.py:1: imports ttl.truncate: name the module",
        ),
        ("report/page.py", "import ttl", "ttl/report/page.py:1: imports ttl: name the module"),
        ("cost/macs.py", "print('hello')", "ttl/cost/macs.py:1: prints: only ttl/cli does"),
        ("run/flow.py", "import sys\nsys.stderr.write('x')", "ttl/run/flow.py:2: prints: only ttl/cli does"),
        ("run/flow.py", "from rich.console import Console", "ttl/run/flow.py:1: imports rich: return a value"),
        ("run/flow.py", "import typer", "ttl/run/flow.py:1: imports typer: return a value"),
        ("utils.py", "", "ttl/utils.py: utils has no level: give it one in ROOMS of tests/test_layering.py"),
    ],
)
def test_the_check_finds_what_is_not(tmp_path: Path, name: str, source: str, fault: str) -> None:
    (found,) = toy(tmp_path, {name: source})
    assert found.startswith(fault)
