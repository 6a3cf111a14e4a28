"""What the documents say can be done is done: every fenced block of every README and page is run.

The convention, by the word after the fence:

- `sh`: run by `bash -eu` in a copy of the repository. A `make` target other than `run` takes minutes, so it is run as
  `make -n`, which proves that it exists. A `curl` that gets a status of 400 or above fails.
- `sh server`: the first line starts a server, which is left running while the other lines are run against it, and must
  end well on SIGTERM. Port 8080 is replaced by a free one.
- `python`: run as a program of its own, in a copy of the repository.
- `js`: run as a script of the flat shape, on a database of its own, with `{"name": "ana", "age": 20}` as payload. Where
  its last line is `// → JSON`, that is its result.
- `toml`: must be a configuration without errors. `json`: must be JSON; where the line before it ends with a file's name
  (`` `examples/…`: ``), it is what that file holds.
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
from nflow_runtime import Runtime
from protocol.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
RUN = ("sh", "sh server", "python", "js", "toml", "json")
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
NAMED = re.compile(r"`(examples/[^`]+\.json)`[^`\n]*:\n+\Z")
RESULT = re.compile(r"^// → (.*)\n\Z", re.MULTILINE)
INPUT = {"name": "ana", "age": 20}
SCRIPTS = """
[store]
path = "{folder}/store.sqlite"
[database]
driver = "sqlite3"
url = "{folder}/data.sqlite"
[env]
shop = "main"
"""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    document: Path
    line: int
    kind: str
    text: str
    file: str = ""
    """Name of the file that the page says it shows."""

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
        named = NAMED.search(text, 0, found.start())
        line, file = text.count("\n", 0, found.start()) + 1, named.group(1) if named else ""
        yield Block(document, line, kind.strip(), re.sub(f"(?m)^{indent}", "", body), file)


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


@pytest.mark.parametrize("block", [block for block in ALL if block.kind in RUN and block.kind != "js"], ids=str)
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
            shown = json.loads(block.text)
            assert not block.file or shown == json.loads((ROOT / block.file).read_text("utf-8"))


@pytest.mark.parametrize("block", [block for block in ALL if block.kind == "js"], ids=str)
async def test_what_a_script_of_a_page_gives(block: Block, tmp_path: Path) -> None:
    book = {
        "start": {
            "data": {"type": "httpstart", "method": "POST", "path": "/page"},
            "outputs": {"output": {"connections": [{"node": "script"}]}},
        },
        "script": {"data": {"type": "js", "script": block.text}, "outputs": {}},
    }
    (tmp_path / "book.json").write_text(json.dumps(book), "utf-8")
    settings, _ = Settings.parse(SCRIPTS.format(folder=tmp_path), "block", {})
    async with Runtime(settings, {"book": tmp_path / "book.json"}, listen=False) as runtime:
        done = await runtime.execute("book", INPUT)
    assert done.success, done.error or done.output
    if (said := RESULT.search(block.text)) is not None:
        assert done.output == json.loads(said.group(1))


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
