"""`nflow import` and `nflow versions`: exit codes, tables, problems with their paths, and no secrets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.playbooks import chain, playbook, write
from tests.acceptance.test_cli import run
from tests.integration.library.seeds import statements


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A SQLite database as nFlow's designer leaves it."""
    path = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements("sqlite3"):
            connection.execute(statement)
        connection.commit()
    return path


def counted(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as store:
        tables = ("nflow", "modules", "template", "queries", "users", "api_tokens")
        return {table: store.execute(f"select count(*) from {table}").fetchone()[0] for table in tables}


def test_a_database_is_imported_and_what_is_bad_is_told_with_its_path(tmp_path: Path, source: Path) -> None:
    before = source.read_bytes()
    done = run(tmp_path, "import", "app.sqlite")
    assert done.code == 1, "one app of it cannot be served"
    assert done.out[1].split() == ["apps", "2", "0", "1"]
    assert done.out[-1] == "app broken: error: drawflow.Broken.data.b.data.type: missing: every node needs a type"
    assert counted(tmp_path / "nflow.sqlite") == {
        "nflow": 2, "modules": 1, "template": 1, "queries": 3, "users": 4, "api_tokens": 5,
    }  # fmt: skip
    assert source.read_bytes() == before
    assert not list(tmp_path.glob("app.sqlite-*")), "a source is only read"
    again = run(tmp_path, "import", "app.sqlite")
    assert [line.split()[1:3] for line in again.out[1:7]] == [
        ["0", "2"], ["0", "1"], ["0", "1"], ["0", "3"], ["0", "4"], ["0", "5"],
    ]  # fmt: skip
    replaced = run(tmp_path, "import", "app.sqlite", "--replace")
    assert replaced.out[5].split() == ["users", "4", "0", "0"]


def test_a_dry_run_writes_no_byte(tmp_path: Path, source: Path) -> None:
    done = run(tmp_path, "import", "app.sqlite", "--dry-run")
    assert done.out[1].split() == ["apps", "2", "0", "1"]
    assert done.out[-1] == "nothing was written (--dry-run)"
    assert not (tmp_path / "nflow.sqlite").exists()


def test_a_playbook_is_imported_as_an_app_and_its_versions_are_listed(tmp_path: Path) -> None:
    first, second = playbook(chain("/a", "1")), playbook(chain("/a", "2"))
    write(tmp_path / "mine.json", first)
    done = run(tmp_path, "import", "mine.json", "--app", "shop")
    assert (done.code, done.out[1].split()) == (0, ["apps", "1", "0", "0"])
    write(tmp_path / "mine.json", second)
    kept = run(tmp_path, "import", "mine.json", "--app", "shop")
    assert (kept.code, kept.out[1].split()) == (0, ["apps", "0", "1", "0"])
    run(tmp_path, "import", "mine.json", "--app", "shop", "--replace")
    versions = run(tmp_path, "versions", "shop")
    assert [line.split()[0] for line in versions.out] == ["2", "1"]
    assert all("import" in line for line in versions.out)
    assert run(tmp_path, "versions", "shop", "--show", "2").out == (tmp_path / "mine.json").read_text().splitlines()
    none = run(tmp_path, "versions", "nobody")
    assert (none.code, none.out) == (1, [])
    assert "has no versions" in none.err[0]


def test_a_bad_playbook_is_an_error_and_not_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"drawflow": {"F": {"data": {"n": {"data": {}}}}}}')
    done = run(tmp_path, "import", "bad.json")
    assert (done.code, done.out[1].split()) == (1, ["apps", "0", "0", "1"])
    assert counted(tmp_path / "nflow.sqlite")["nflow"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nothing.sqlite"], 2, "nothing.sqlite is no file; for a database give a URL, or --driver"),
        (["user:hidden@tcp(localhost)/x"], 2, "the source is no file"),
        (["user:hidden@tcp(localhost)/x", "--driver", "oracle"], 2, "driver"),
        (["postgres://nflow:hidden@127.0.0.1:1/x"], 1, "out of reach"),
        (["mysql://nflow:hidden@127.0.0.1:1/x"], 1, "out of reach"),
        (["database_nflow"], 2, "the configuration names no database"),
        (["app.sqlite", "--app", "x"], 2, "names the app of a playbook file"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_that_says_what_to_do(
    tmp_path: Path, source: Path, arguments: list[str], code: int, told: str
) -> None:
    done = run(tmp_path, "import", *arguments)
    assert (done.code, done.out) == (code, [])
    assert told in "\n".join(done.err)
    assert "hidden" not in "\n".join(done.err), "a DSN holds a password"


def test_a_database_without_nflows_tables_is_no_source(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as other:
        other.execute("create table t (x)")
        other.commit()
    done = run(tmp_path, "import", "other.sqlite")
    assert done.code == 2
    assert "none of nFlow's tables" in done.err[0]


def test_the_configured_database_is_a_source(tmp_path: Path, source: Path) -> None:
    (tmp_path / "config.toml").write_text('[database_nflow]\ndriver = "sqlite3"\ndsn = "app.sqlite"\n')
    done = run(tmp_path, "import", "database_nflow")
    assert done.out[5].split() == ["users", "4", "0", "0"]


def test_a_store_of_another_program_is_not_written_to(tmp_path: Path, source: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "nflow.sqlite")) as other:
        other.execute("create table t (x)")
        other.commit()
    done = run(tmp_path, "import", "app.sqlite")
    assert done.code == 1
    assert "another program" in done.err[0]
