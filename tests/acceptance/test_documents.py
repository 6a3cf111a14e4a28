"""What the documents say can be done is done: every fenced block of every README and page is run.

The convention, by the word after the fence:

- `sh`: run by `bash -eu` in a copy of the repository. A `make` target other than `run` takes minutes, so it is run as
  `make -n`, which proves that it exists. A `curl` that gets a status of 400 or above fails.
- `sh server`: the first line starts a server, which is left running while the other lines are run against it, and must
  end well on SIGTERM. Port 8080 is replaced by a free one.
- `python`: run as a program of its own, in a copy of the repository.
- `toml`: must be a configuration without errors. `json`: must be JSON.
- no word, or `text`: a picture, not run. Any other word is an error, so no block is left out by accident.

The environment that runs the tests stands in for `.venv`, and counts as made.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtests.server import free_port, serving
from protocol.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
RUN = ("sh", "sh server", "python", "toml", "json")
PICTURES = ("", "text")
PORT = "8080"
SECONDS = 60
FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")
MAKE = """#!/bin/sh
unset MAKEFLAGS MAKELEVEL MFLAGS
target=$1; shift
if [ "$target" = run ]; then exec $({make} -n -o .venv/.core run "$@"); fi
exec {make} -n -o .venv/.core -o .venv/.dev "$target" "$@"
"""
CURL = '#!/bin/sh\nexec {curl} --fail --silent --show-error "$@"\n'


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """Every page a reader may open; folders that begin with a dot, or are built, are not ours."""
    built = {"build", "dist", "node_modules"}
    found = []
    for folder, names, files in os.walk(ROOT):
        names[:] = sorted(name for name in names if name[0] != "." and name not in built)
        found += [Path(folder) / file for file in sorted(files) if file.endswith(".md")]
    return found


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        indent, kind, body = found.groups()
        yield Block(document, text.count("\n", 0, found.start()) + 1, kind.strip(), re.sub(f"(?m)^{indent}", "", body))


ALL = [block for document in documents() for block in blocks(document)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a reader has it, with the environment of the tests as its own."""
    folder = tmp_path_factory.mktemp("copy") / "nflow-runtime"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.sqlite*", "build", "dist")
    shutil.copytree(ROOT, folder, ignore=ignored)
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    shims = folder.parent / "bin"
    shims.mkdir()
    for name, shim in (("make", MAKE), ("curl", CURL)):
        (shims / name).write_text(shim.format(**{name: shutil.which(name)}))
        (shims / name).chmod(0o755)
    return folder


def run(command: list[str], copy: Path) -> None:
    path = {"PATH": f"{copy.parent / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=copy, env={**os.environ, **path}, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize("block", [block for block in ALL if block.kind in RUN], ids=str)
def test_what_a_document_shows_works(block: Block, copy: Path, tmp_path: Path) -> None:
    match block.kind:
        case "sh":
            run(["bash", "-euc", block.text], copy)
        case "sh server":
            port = str(free_port())
            first, _, rest = block.text.replace(PORT, port).partition("\n")
            url, shims = f"http://127.0.0.1:{port}/health", copy.parent / "bin"
            start = f"cd '{copy}'; export PATH='{shims}':$PATH NFLOW_SERVER_PORT={port}; exec {first}"
            with serving(["bash", "-c", start], url, log=tmp_path / "log") as server:
                run(["bash", "-euc", rest], copy)
            assert server.returncode == 0, (tmp_path / "log").read_text()
        case "python":
            (tmp_path / "block.py").write_text(block.text, encoding="utf-8")
            run([sys.executable, str(tmp_path / "block.py")], copy)
        case "toml":
            Settings.parse(block.text, "block", {})
        case "json":
            json.loads(block.text)


def test_every_block_is_of_a_kind_that_is_run_or_a_picture() -> None:
    assert [f"{block}: {block.kind}" for block in ALL if block.kind not in (*RUN, *PICTURES)] == []


def test_every_fence_is_closed() -> None:
    for document in documents():
        text = document.read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(list(blocks(document))), document


@pytest.mark.parametrize("document", documents(), ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_readme_is_among_the_documents() -> None:
    names = {str(document.relative_to(ROOT)) for document in documents()}
    assert {"README.md", "CHANGELOG.md", "docs/compatibility.md"} <= names
    assert any(block.kind == "sh server" for block in ALL)
