"""Do the laws guard the kernel? Each mutant is one small fault in a copy of it; at least one law must notice.

Run: `python tests/laws/mutants.py [part of a name]`. The faults are in `mutants.toml`. The repository itself is never
changed: sources and laws are copied to a temporary folder and the fault is made there. A mutant whose text is not found
exactly once counts as a survivor, so that mutants do not rot. Exit status 1 when one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
"""A run that takes longer has noticed something: the unchanged laws of one file take a fraction of it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in the kernel's `file`, `old` becomes `new`; a test in the files of `laws` must fail."""

    name: str
    file: str
    old: str
    new: str
    laws: str


def prepare(folder: Path) -> None:
    """Copy what the laws need."""
    for part in ("protocol", "actors/kernel", "tests/laws", "actors/README.md"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / part)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "actors" / "__init__.py").touch()


def judge(folder: Path, laws: str, seconds: float) -> tuple[bool, str]:
    """Run some laws in that folder: (did one fail, which)."""
    environment = {**os.environ, "LAWS_PROFILE": "mutants", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)}
    files = [path for path in sorted((folder / "tests/laws").glob("test_*.py")) if laws in path.stem]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *map(str, files)]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return True, "it hangs"
    if done.returncode not in (0, 1):
        return False, f"pytest ends with {done.returncode}: the mutant is not a program"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 1, failed[0].partition("::")[2].partition(" - ")[0] if failed else ""


def try_mutant(mutant: Mutant) -> tuple[Mutant, bool, str]:
    """Make the fault in a fresh copy and judge it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        prepare(folder)
        path = folder / "actors/kernel" / f"{mutant.file}.py"
        text = path.read_text(encoding="utf-8")
        if mutant.old and text.count(mutant.old) != 1:
            return mutant, False, f"its text is found {text.count(mutant.old)} times: the mutant has to be renewed"
        if mutant.old:
            path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        return mutant, *judge(folder, mutant.laws, SECONDS if mutant.old else 10 * SECONDS)


def main() -> int:
    """Prove that the copy is healthy, then try every mutant."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    mutants = [Mutant(**row) for row in table["mutant"]]
    wanted = [mutant for mutant in mutants if all(word in mutant.name for word in sys.argv[1:])]
    began = time.perf_counter()
    survivors = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        healthy = pool.submit(try_mutant, Mutant("none: the laws hold", "cell", "", "", "test_"))
        for mutant, killed, law in pool.map(try_mutant, wanted):
            print(f"{'killed  ' if killed else 'SURVIVES'}  {mutant.name:<52}  {law}", flush=True)
            if not killed:
                survivors.append(mutant)
    _, failed, law = healthy.result()
    if failed or law:
        print(f"the laws fail without any mutant, so the rest means nothing: {law}")
        return 1
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} mutants killed in {time.perf_counter() - began:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
