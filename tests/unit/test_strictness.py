"""The suite's own rules: what a test leaves behind fails it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT = {
    "a coroutine nobody awaited": "async def f(): pass\ndef test_it(): f()\n",
    "a socket nobody closed": "import socket\ndef test_it(): socket.socket()\n",
    "a file nobody closed": "def test_it(): open(__file__)\n",
    "a task whose exception nobody saw": (
        "import asyncio, gc\n"
        "async def f(): raise ValueError\n"
        "async def test_it():\n"
        "    asyncio.ensure_future(f())\n"
        "    await asyncio.sleep(0.01)\n"
        "    gc.collect()\n"
    ),
    "an exception in a thread": (
        "import threading\n"
        "def f(): raise ValueError\n"
        "def test_it():\n"
        "    thread = threading.Thread(target=f)\n"
        "    thread.start()\n"
        "    thread.join()\n"
    ),
    "a warning": "import warnings\ndef test_it(): warnings.warn('x')\n",
}


@pytest.mark.parametrize("what", LEFT)
def test_a_test_fails_on_what_it_leaves_behind(what: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(LEFT[what])
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "tests.lost_tasks", str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:]
    assert "1 failed" in done.stdout or "1 error" in done.stdout
