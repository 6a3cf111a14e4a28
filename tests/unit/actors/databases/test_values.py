"""Values on their way into a database and out of it."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest

from actors.databases.mysql import literal
from actors.databases.values import decimal, integer, iso, json_value, plain, without_zone, written
from protocol.errors import CallRefused


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (5.0, "5"),
        (-0.5, "-0.5"),
        (1e22, "1e+22"),
        ("a", "a"),
        ([1, None], "[1,null]"),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert written(value) == text


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, float("nan"), float("-inf"), object(), {"type": "Buffer", "data": "?"}]
)
def test_what_no_database_holds_is_refused(value: Any) -> None:
    with pytest.raises(CallRefused):
        plain(value)


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),  # noqa: DTZ001
        (datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "2024-01-02T03:04:05Z"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(hours=25, minutes=1, milliseconds=500), "25:01:00.5"),
        (-datetime.timedelta(seconds=1), "-00:00:01"),
        (Decimal("1.50"), 1.5),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("NaN"), "NaN"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (b"\x00\xff", "AP8="),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({"a": (1, {2})}, {"a": [1, [2]]}),
    ],
)
def test_what_a_driver_returns_becomes_json(value: Any, json: Any) -> None:
    assert json_value(value) == json


@pytest.mark.parametrize(
    ("text", "json"),
    [
        ("10", 10),
        ("10.00", 10),
        ("0.1", 0.1),
        ("9007199254740993", "9007199254740993"),
        ("1e400", "1e400"),
        ("NaN", "NaN"),
    ],
)
def test_a_decimal_is_a_number_where_that_loses_nothing(text: str, json: Any) -> None:
    assert decimal(text) == json
    assert type(decimal(text)) is type(json)


def test_whole_numbers_are_exact() -> None:
    assert [integer(2**53 - 1), integer(2**53), integer(-(2**53))] == [2**53 - 1, str(2**53), str(-(2**53))]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-01-01 10:00:00+00", "2024-01-01T10:00:00Z"),
        ("2024-01-01 10:00:00.5-05", "2024-01-01T10:00:00.5-05:00"),
        ("2024-01-01 10:00:00+05:30", "2024-01-01T10:00:00+05:30"),
        ("2024-01-01 10:00:00", "2024-01-01T10:00:00"),
        ("infinity", "infinity"),
        ("0044-03-15 00:00:00 BC", "0044-03-15 00:00:00 BC"),
    ],
)
def test_a_postgres_time_is_iso(text: str, time: str) -> None:
    assert iso(text) == time


@pytest.mark.parametrize(
    ("text", "time"),
    [("2024-01-01T00:00:00.000Z", "2024-01-01 00:00:00.000"), ("2024-01-01T00:00:00+00:00", "2024-01-01 00:00:00")],
)
def test_a_utc_moment_without_its_zone(text: str, time: str) -> None:
    assert without_zone(text) == time


@pytest.mark.parametrize(
    "text", ["2024-01-01", "2024-01-01T00:00:00+02:00", "x2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z "]
)
def test_nothing_else_is_a_utc_moment(text: str) -> None:
    assert without_zone(text) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (5, "5"),
        (-5, "(-5)"),
        (-0.5, "(-0.5)"),
        ("it's", "'it''s'"),
        ("a\\'b", "_utf8mb4 X'615c2762'"),
        ("\0", "_utf8mb4 X'00'"),
        (b"\xff", "_binary X'ff'"),
    ],
)
def test_a_mysql_literal_means_the_same_in_every_mode(value: Any, text: str) -> None:
    assert literal(value) == text
