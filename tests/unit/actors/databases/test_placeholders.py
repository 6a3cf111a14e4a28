"""Where parameters are, and where they only seem to be."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.databases.placeholders import Dialect, leaves_traces, split, statement
from protocol.errors import CallRefused

ALL = list(Dialect)
MYSQL = [Dialect.MYSQL, Dialect.MYSQL_ANSI]


def numbers(sql: str, dialect: Dialect) -> list[int]:
    return [piece for piece in statement(sql, dialect).pieces if isinstance(piece, int)]


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select $1", [1]),
        ("select $2, $1, $2", [2, 1, 2]),
        ("select '$1', $1", [1]),
        ("select 'it''s $1', $1", [1]),
        ('select "$1""$1", $1', [1]),
        ("select 1 -- $1\n, $1", [1]),
        ("select 1 /* $1 ' \" */, $1", [1]),
        ("select a$1 from t where b=$1", [1]),
        ("select $12", [12]),
        ("select ($1)+$2", [1, 2]),
        ("select col from t where x=$1;", [1]),
        ("select 'ünï $1', $1", [1]),
        ("select ü$1, $1", [1]),
        ("select $1::text", [1]),
    ],
)
def test_parameters_are_found_outside_of_quotes_and_comments(sql: str, found: list[int], dialect: Dialect) -> None:
    assert numbers(sql, dialect) == found


@pytest.mark.parametrize(
    ("sql", "dialect", "found"),
    [
        ("select $$ $1 ' $$, $1", Dialect.POSTGRES, [1]),
        ("select $a$ $$ $1 $a$, $1", Dialect.POSTGRES, [1]),
        ("select E'\\' $1', $1", Dialect.POSTGRES, [1]),
        ("select '\\', $1", Dialect.POSTGRES, [1]),
        ("select fe'\\', $1", Dialect.POSTGRES, [1]),
        ("select 1 /* a /* b */ $1 */, $1", Dialect.POSTGRES, [1]),
        ("select '{}'::jsonb ? 'a', $1", Dialect.POSTGRES, [1]),
        ("select 1 --$1\r, $1", Dialect.POSTGRES, [1]),
        ("select '\\' $1', $1", Dialect.MYSQL, [1]),
        ('select "\\" $1", $1', Dialect.MYSQL, [1]),
        ('select "\\", $1', Dialect.MYSQL_ANSI, [1]),
        ("select `$1``$1`, $1", Dialect.MYSQL, [1]),
        ("select 1 # $1 '\n, $1", Dialect.MYSQL, [1]),
        ("select 1--$1", Dialect.MYSQL, [1]),
        ("select 1 --\t$1\n, $2", Dialect.MYSQL, [2]),
        ("select 1 /* /* $1 */, $1", Dialect.MYSQL, [1]),
        ("select '?', ?, ?", Dialect.MYSQL, [1, 2]),
        ("select 1$1, $1", Dialect.MYSQL, [1]),
        ("select '\\', $1", Dialect.SQLITE, [1]),
        ("select [$1], `$1`, $1", Dialect.SQLITE, [1]),
        ("select ?2, ?1", Dialect.SQLITE, [2, 1]),
        ("select ?, '?', ?", Dialect.SQLITE, [1, 2]),
        ("select 1 /* never closed $1", Dialect.SQLITE, []),
    ],
)
def test_each_server_s_own_quotes_and_comments(sql: str, dialect: Dialect, found: list[int]) -> None:
    assert numbers(sql, dialect) == found


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "sql", ["", "  ", "-- nothing", "/* nothing */", ";", "select '", 'select "a', "select 'a'' ", "select \0"]
)
def test_what_is_no_statement_is_refused(sql: str, dialect: Dialect) -> None:
    with pytest.raises(CallRefused):
        statement(sql, dialect)


def test_two_ways_of_writing_parameters_are_not_mixed() -> None:
    with pytest.raises(CallRefused, match="mixes"):
        statement("select ?, $1", Dialect.MYSQL)


@pytest.mark.parametrize("dialect", MYSQL)
@pytest.mark.parametrize("sql", ["select /*!50001 $1 */ 1", "select $1 /*!99999 or 1 */", "select $1 /*M! 1 */"])
def test_parameters_beside_code_in_comments_are_refused(sql: str, dialect: Dialect) -> None:
    with pytest.raises(CallRefused, match="comments"):
        statement(sql, dialect)


@pytest.mark.parametrize(
    ("sql", "number"), [("select $0", "0"), ("select $65536", "65536"), ("select $99999999999999", "9")]
)
def test_parameters_are_numbered_from_one(sql: str, number: str) -> None:
    with pytest.raises(CallRefused, match=number):
        statement(sql, Dialect.POSTGRES)


def test_leading_noughts_of_a_number_do_not_count() -> None:
    assert numbers("select $0000001", Dialect.POSTGRES) == [1]


def test_a_number_of_any_length_is_refused_as_one_that_is_too_high() -> None:
    with pytest.raises(CallRefused, match="from \\$1 to"):
        statement("select $" + "1" * 100_000, Dialect.POSTGRES)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("[" * 500_000, Dialect.SQLITE),
        ("".join(f"$a{number}$ " for number in range(100_000)), Dialect.POSTGRES),
        ("$" * 500_001, Dialect.POSTGRES),
        ("/**/" * 200_000, Dialect.POSTGRES),
        ("/*" * 300_000, Dialect.POSTGRES),
    ],
    ids=["brackets", "tags", "dollars", "comments", "nested comments"],
)
def test_a_hostile_statement_takes_time_in_proportion_to_its_length(text: str, dialect: Dialect) -> None:
    began = time.perf_counter()
    with contextlib.suppress(CallRefused):
        statement("select " + text, dialect)
    assert time.perf_counter() - began < 5  # minutes, where each quote is looked for to the end


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select 1", True),
        (" (SELECT 1)", True),
        ("-- x\nvalues (1)", True),
        ("with a as (select 1) select * from a", True),
        ("with a as (select 1) insert into t select * from a", False),
        ("with a as (delete from t returning 1) select * from a", True),
        ("insert into t values ('returning')", False),
        ("insert into t values (1) RETURNING id", True),
        ("update t set a = 1", False),
        ("create table select_ (a int)", False),
        ("show tables", True),
    ],
)
def test_whether_a_statement_gives_rows(sql: str, rows: bool) -> None:
    assert statement(sql, Dialect.POSTGRES).gives_rows is rows


@pytest.mark.parametrize(
    ("sql", "traces"),
    [
        ("select 1", False),
        ("insert into t values (1)", False),
        ("set search_path = x", True),
        ("select set_config('a', 'b', false)", True),
        ("select pg_advisory_lock(1)", True),
        ("select get_lock('a', 1)", True),
        ("create temp table t (a int)", True),
        ("listen x", True),
        ("select @a := 1", True),
        ("select @@sql_mode", False),
        ("lock tables t write", True),
    ],
)
def test_whether_a_statement_leaves_traces_on_its_connection(sql: str, traces: bool) -> None:
    assert leaves_traces(sql, statement(sql, Dialect.MYSQL)) is traces


def test_a_script_is_split_at_semicolons_outside_of_quotes() -> None:
    script = "set a = 'x;y'; -- not ; here\nselect ';' ;;\n insert into t values (1) /* ; */ ; -- end"
    assert split(script, Dialect.POSTGRES) == [
        "set a = 'x;y'",
        "-- not ; here\nselect ';'",
        "insert into t values (1) /* ; */",
    ]


@given(
    st.lists(
        st.sampled_from(["'", '"', "`", "\\", "$1", "$$", "/*", "*/", "--", "\n", "#", "?", " ", "a", ";", "E"]),
        max_size=14,
    )
)
def test_whatever_is_scanned_keeps_its_text(parts: list[str]) -> None:
    sql = "select " + "".join(parts)
    for dialect in ALL:
        try:
            read = statement(sql, dialect)
        except CallRefused:
            continue
        marks = {"$1", "?", *(f"?{digit}" for digit in "1234567890")}
        rebuilt, rest = [], sql
        for piece in read.pieces:
            if isinstance(piece, str):
                assert rest.startswith(piece)
                rest = rest[len(piece) :]
                rebuilt.append(piece)
            else:
                mark = max((mark for mark in marks if rest.startswith(mark)), key=len)
                rest = rest[len(mark) :]
        assert rest == ""


def test_a_long_hostile_text_is_scanned_in_no_time() -> None:
    for hostile in ("'" * 50_001, "$" * 50_000, "/*" * 25_000, '"' * 50_001, "a'" * 25_001, "\\'" * 25_000):
        for dialect in ALL:
            try:
                statement(f"select {hostile}", dialect)
            except CallRefused:
                continue
