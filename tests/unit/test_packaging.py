"""The wheel holds our packages and nothing else, works by itself, and notices a stranger among them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "gateway", "nflow_runtime", "protocol")
SHIPPED = {".py", ".js", ".sql", ".lua", ".typed", ".html", ".css"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip would build it, from what is installed: no network, no isolation."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def nflow(folder: Path, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of the packages in `site`, which go before the ones of this repository."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "gateway", *arguments],
        capture_output=True, text=True, timeout=30, cwd=folder, env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip


def test_the_wheel_holds_every_file_of_our_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in SHIPPED
    }
    assert shipped == ours
    assert {name.split("/")[0] for name in shipped} == set(PACKAGES)
    assert {Path(name).suffix for name in shipped} == SHIPPED
    assert all(f"{package}/py.typed" in shipped for package in PACKAGES)


def test_the_wheel_says_what_it_is_and_needs(unpacked: Path) -> None:
    (folder,) = unpacked.glob("*.dist-info")
    metadata = Parser().parsestr((folder / "METADATA").read_text())
    assert metadata["Name"] == "nflow-runtime"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    needed = {line.split(">")[0].split("=")[0].split("[")[0] for line in metadata.get_all("Requires-Dist")}
    core = {
        "aiohttp",
        "uvloop",
        "pykka",
        "quickjs-ng",
        "asyncpg",
        "redis",
        "cryptography",
        "prometheus-client",
        "orjson",
    }
    assert core <= needed
    assert (folder / "licenses" / "LICENSE").exists()
    assert (folder / "entry_points.txt").read_text().split() == ["[console_scripts]", "nflow", "=", "gateway.cli:main"]


def test_the_unpacked_wheel_runs_scripts_and_opens_its_store(unpacked: Path, tmp_path: Path) -> None:
    done = nflow(tmp_path, unpacked, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "engine hook  counts operations" in done.stdout
    assert "nflow.sqlite can be written" in done.stdout


def test_only_the_facade_is_needed_to_embed_it(unpacked: Path, tmp_path: Path) -> None:
    program = "import nflow_runtime as n; print(n.__version__, all(hasattr(n, name) for name in n.__all__), n.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        capture_output=True, text=True, timeout=30, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)},
    )  # fmt: skip
    version, complete, file = done.stdout.split()
    assert (version, complete) == ("0.1.0", "True")
    assert file.startswith(str(unpacked))


@pytest.mark.parametrize("command", [["serve", "-a", "x.json"], ["check", "x.json"], ["doctor"]])
@pytest.mark.parametrize("package", ["protocol", "actors"])
def test_a_stranger_of_the_name_of_a_package_of_ours_is_named_and_nothing_of_it_runs(
    tmp_path: Path, package: str, command: list[str]
) -> None:
    stranger = tmp_path / package
    stranger.mkdir()
    (stranger / "__init__.py").write_text("raise SystemExit('the stranger ran')")
    done = nflow(tmp_path, tmp_path, *command)
    assert done.returncode == 2
    assert done.stderr == f"nflow: {package}: comes from {tmp_path}, not from {ROOT}\n"


def test_a_distribution_that_owns_files_in_our_packages_is_named_with_what_to_do(tmp_path: Path) -> None:
    record = tmp_path / "Some_Protocol-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: Some-Protocol\nVersion: 1.0\n")
    (record / "RECORD").write_text("protocol/__init__.py,,\nprotocol/other.py,,\n")
    done = nflow(tmp_path, tmp_path, "serve", "-a", "x.json")
    assert done.returncode == 2
    assert done.stderr == (
        "nflow: protocol: also installed by Some-Protocol; "
        "run `pip uninstall Some-Protocol`, then reinstall nflow-runtime\n"
    )


def test_our_own_distribution_in_two_places_is_no_stranger(unpacked: Path, tmp_path: Path) -> None:
    done = nflow(tmp_path, unpacked, "check", "none.json")
    assert done.stderr == "none.json: cannot be read: No such file or directory\n"
