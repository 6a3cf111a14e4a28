"""Which text of a named query is asked, and which texts say the same as nFlow's own."""

from __future__ import annotations

import pytest

from actors.library.queries import DEFAULTS, LOG_COLUMNS, NamedQueries


def test_rows_count_before_configuration_before_built_in() -> None:
    configured = {"QueryGetApp": "configured", "QueryGetUser": "configured", "QueryGetModules": "the designer's"}
    queries = NamedQueries(configured, [("QueryGetUser", " row "), ("QueryGetModules", "the designer's")])
    assert queries["QueryGetUser"] == "row"
    assert queries["QueryGetApp"] == "configured"
    assert queries["QueryGetToken"] == DEFAULTS["QueryGetToken"]
    with pytest.raises(KeyError):
        queries["QueryGetModules"]


@pytest.mark.parametrize(
    "row", [("QueryGetUser", ""), ("QueryGetUser", "  "), ("QueryGetUser", None), ("QueryGetUser",), ()]
)
def test_a_row_without_text_is_not_there(row: tuple[object, ...]) -> None:
    assert NamedQueries({}, [row])["QueryGetUser"] == DEFAULTS["QueryGetUser"]


@pytest.mark.parametrize(
    ("name", "text", "same"),
    [
        ("QueryGetApp", "SELECT json,default_js FROM nflow WHERE name=$1", True),
        ("QueryGetApp", "select json , default_js\nfrom nflow\twhere name = $1 ;", True),
        ("QueryGetApp", 'SELECT "json", `default_js` FROM nflow WHERE name = $1', True),
        ("QueryGetApp", "SELECT json, default_js FROM nflow WHERE name = $1 AND tag = 'live'", False),
        ("QueryGetApp", "SELECT json, default_js FROM other WHERE name = $1", False),
        ("QueryGetModuleByName", "SELECT form, mod, code FROM modules WHERE name = $1", True),
        ("QueryInsertLog", DEFAULTS["QueryInsertLog"].replace(" ", "\n"), True),
        ("QueryInsertLog", DEFAULTS["QueryInsertLog"].replace("box_id", "id_box"), False),
    ],
)
def test_a_text_that_differs_in_case_blanks_and_quotes_says_the_same(name: str, text: str, same: bool) -> None:
    assert NamedQueries({name: text}).is_default(name) is same


def test_the_insert_has_a_place_for_each_column() -> None:
    text = DEFAULTS["QueryInsertLog"]
    assert f"({', '.join(LOG_COLUMNS)})" in text
    assert text.endswith(f"({', '.join(f'${place}' for place in range(1, 17))})")
