"""The rules of the house, checked from the source so that nobody has to remember them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("protocol", "actors", "gateway", "nflow_runtime")
MAY_IMPORT = {
    "protocol": {"protocol"},
    "actors": {"protocol", "actors"},
    "gateway": {"protocol", "actors", "gateway"},
    "nflow_runtime": {"protocol", "actors", "gateway", "nflow_runtime"},
}
OWNERS = {
    "pykka": {"actors/kernel/threads.py"},
    "quickjs": {"actors/sandbox/vm.py"},
    "_quickjs": {"actors/sandbox/vm.py"},
    "orjson": {"protocol/codec.py"},
    "pydantic": {f"protocol/settings/{name}.py" for name in ("key", "model", "settings", "engine", "data", "outside")}
    | {"actors/plugins/schema.py"},
    "prometheus_client": {"gateway/monitoring/metrics.py"},
    "opentelemetry": {"actors/tracing.py"},
    "uvloop": {"gateway/runtime.py"},
    "sqlite3": {"actors/stores/sqlite.py", "actors/databases/sqlite.py"},
    "typer": {"gateway/cli.py"}
    | {f"gateway/commands/{name}.py" for name in ("terminal", "configuration", "keygen", "audit")},
    "multipart": {"gateway/bodies/multipart.py"},
    "aiohttp": {
        "gateway/exchange.py",
        "gateway/bodies/files.py",
        "gateway/armour/connection.py",
        "gateway/armour/incoming.py",
        "gateway/server.py",
        "gateway/runtime.py",
        "gateway/api/desk.py",
        "gateway/api/embedding.py",
        "gateway/api/reception.py",
        "gateway/monitoring/port.py",
        "actors/reach/http_client.py",
    },
    "yarl": {"actors/reach/http_client.py"},
    "aiosmtplib": {"actors/reach/mailer.py"},
    "jsonschema_rs": {"protocol/formats/input_schema.py"},
    "asyncpg": {"actors/databases/postgres.py"},
    "asyncmy": {"actors/databases/mysql.py"},
    "redis": {"actors/reach/redis_client.py"},
    "pyinstrument": {"gateway/debug/profiler.py"},
    "cryptography": {"actors/guards/encryption.py"},
    "re2": {"actors/guards/pattern.py"},
    "tree_sitter": {"actors/guards/analysis/syntax.py"},
    "tree_sitter_javascript": {"actors/guards/analysis/syntax.py"},
}
"""Third-party package → the one file (of ours) that may import it. An empty set: nobody yet."""
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
FILE_LINES = 400
FILES_PER_FOLDER = 16


def sources(*packages: str) -> Iterator[Path]:
    for package in packages or PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield node.module


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_run_one_way() -> None:
    wrong = [
        f"{name(path)} imports {module}"
        for path in sources()
        for module in imports(path)
        if (top := module.split(".")[0]) in PACKAGES and top not in MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    ]
    assert not wrong


def test_protocol_does_no_io() -> None:
    wrong = [
        f"{name(path)} imports {module}"
        for path in sources("protocol")
        for module in imports(path)
        if module.split(".")[0] in {"asyncio", "socket", "threading", "subprocess", "aiohttp", "sqlite3"}
    ]
    assert not wrong


def test_the_kernel_knows_no_domain() -> None:
    allowed = {"protocol.refs", "protocol.lifecycle", "protocol.errors"}
    wrong = [
        f"{name(path)} imports {module}"
        for path in sources("actors/kernel")
        for module in imports(path)
        if module.split(".")[0] in PACKAGES and not module.startswith("actors.kernel") and module not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("package", sorted(OWNERS))
def test_one_file_owns_each_library(package: str) -> None:
    users = {name(path) for path in sources() if any(module.split(".")[0] == package for module in imports(path))}
    assert users <= OWNERS[package], f"{package} belongs to {sorted(OWNERS[package]) or 'nobody yet'}"


def test_no_relative_imports() -> None:
    wrong = [
        name(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not wrong


def test_no_import_cycles() -> None:
    modules = {name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources()}
    graph = {module: {i for i in imports(path) if i in modules and i != module} for module, path in modules.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module in done:
            return
        for target in sorted(graph[module]):
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_files_are_named_by_nouns_of_the_field() -> None:
    assert not [name(path) for path in sources() if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES]


def test_every_file_says_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in sources()
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_public_names_are_documented() -> None:
    silent = []
    for path in sources():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            if named and not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{name(path)}: {node.name}")
    assert not silent


def test_no_module_level_mutable_state() -> None:
    wrong = []
    for path in sources():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
            made = isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
            if made and value.func.id in {"dict", "list", "set", "deque", "defaultdict", "OrderedDict"}:
                wrong.append(f"{name(path)}:{node.lineno}")
            if isinstance(node, ast.Assign) and isinstance(value, (ast.List, ast.Set, ast.Dict)):
                targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
                if any(target != "__all__" and not target.isupper() for target in targets):
                    wrong.append(f"{name(path)}:{node.lineno}")
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Global):
                wrong.append(f"{name(path)}:{node.lineno} global")
    assert not wrong


def test_files_and_folders_stay_small() -> None:
    long = [f"{name(path)}: {n}" for path in sources() if (n := len(path.read_text().splitlines())) > FILE_LINES]
    folders = {path.parent for path in sources()}
    full = [
        f"{name(folder)}: {n}" for folder in folders if (n := len(list(folder.glob("*.py")))) > FILES_PER_FOLDER + 1
    ]
    assert not long
    assert not full


def test_no_file_names_a_path_of_a_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:work|home/\w+|Users/\w+)/|\.\./shared")
    files = [path for path in ROOT.rglob("*") if path.suffix in {".py", ".md", ".toml", ".js", ".sql", ".json", ".sh"}]
    skipped = {".venv", ".git", "node_modules", ".mypy_cache", ".hypothesis"}
    wrong = [
        name(path)
        for path in files
        if not skipped & set(path.relative_to(ROOT).parts)
        and path != Path(__file__)
        and pattern.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not wrong
