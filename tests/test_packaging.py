"""What is declared, what is shipped, and that the two are what is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import pytest

import ttl
from import_statements import imported

ROOT = Path(__file__).resolve().parents[1]
IMPORTED_AS = {"pillow": "PIL", "scikit-learn": "sklearn"}
"""Where it isn't the name of the distribution with underscores."""
USED_WITHOUT_IMPORT = {
    "onnxscript": "torch.onnx.export writes with it",
    "pyarrow": "pandas reads Parquet with it",
    "tensorboard": "torch.utils.tensorboard writes with it",
}


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


@pytest.fixture(scope="session")
def dist_info(project: dict[str, Any]) -> str:
    return f"ttl-{project['project']['version']}.dist-info"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel as `pip install .` builds it, built offline."""
    pytest.importorskip("hatchling", reason="hatchling isn't installed: it builds the wheel")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_ships_the_package_alone(wheel: zipfile.ZipFile, dist_info: str) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"ttl", dist_info}


def test_the_wheel_ships_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    files = [path for path in (ROOT / "ttl").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(ROOT).as_posix() for path in files}
    assert "ttl/py.typed" in expected
    assert {name for name in wheel.namelist() if name.startswith("ttl/")} == expected


def test_the_wheel_names_its_licence_and_brings_it(wheel: zipfile.ZipFile, dist_info: str) -> None:
    metadata = HeaderParser().parsestr(wheel.read(f"{dist_info}/METADATA").decode("utf-8"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert wheel.read(f"{dist_info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile, dist_info: str) -> None:
    scripts = wheel.read(f"{dist_info}/entry_points.txt").decode("utf-8")
    assert scripts.split() == ["[console_scripts]", "ttl", "=", "ttl.cli:main"]


def test_the_version_is_stated_once_and_the_same(project: dict[str, Any]) -> None:
    assert ttl.__version__ == project["project"]["version"]


def test_every_dependency_is_pinned_within_its_bounds(project: dict[str, Any]) -> None:
    requirements = pytest.importorskip("packaging.requirements")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    for requirement in map(requirements.Requirement, [*wanted, *project["build-system"]["requires"]]):
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def third_parties(folder: Path) -> set[str]:
    """The modules of others that the files of a folder import, at any depth."""
    found = (imported(ast.parse(path.read_text(encoding="utf-8")), "", False) for path in folder.rglob("*.py"))
    names = {name.partition(".")[0] for names in found for _, name in names}
    own = {path.stem for path in folder.glob("*.py")} | {"ttl", ""}
    return names - own - sys.stdlib_module_names - {"_typeshed"}  # mypy alone sees that one


def modules(requirements: list[str]) -> set[str]:
    """The modules that requirements bring."""
    names = {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names - USED_WITHOUT_IMPORT.keys()}


def test_all_that_is_imported_is_declared_and_all_that_is_declared_is_imported(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    of_the_package = [extra for name, extra in extras.items() if name not in ("bench", "dev")]
    declared = modules(sum(of_the_package, project["project"]["dependencies"]))
    package, benchmarks = third_parties(ROOT / "ttl"), third_parties(ROOT / "benchmarks")
    assert package == declared
    assert benchmarks - declared == modules(extras["bench"])
