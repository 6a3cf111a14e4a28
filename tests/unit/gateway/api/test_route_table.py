"""Which route a path is for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api.call import ApiAnswer, Call
from gateway.api.table import Auth, Route, Routes


async def handler(call: Call) -> ApiAnswer:
    return ApiAnswer(204, b"")


def route(method: str, path: str) -> Route:
    return Route(method, path, f"{method}{path}", "", handler, "x", Auth.NOBODY_ASKED, {204: ("", None)})


TABLE = Routes(
    route(*each.split(" "))
    for each in (
        "GET /plain", "GET /api/a", "GET /api/a/{id}", "PUT /api/a/{id}", "POST /api/a/{id}/do",
        "GET /api/a/{id}/{sub}", "POST /api/w/{id...}",
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "served", "variables"),
    [
        ("/plain", "/plain", {}),
        ("/api/a", "/api/a", {}),
        ("/api/a/x", "/api/a/{id}", {"id": "x"}),
        ("/api/a/x%2Fy%20z", "/api/a/{id}", {"id": "x/y z"}),
        ("/api/a/x/do", "/api/a/{id}/do", {"id": "x"}),
        ("/api/a/x/other", "/api/a/{id}/{sub}", {"id": "x", "sub": "other"}),
        ("/api/w/x", "/api/w/{id...}", {"id": "x"}),
        ("/api/w/x/y", "/api/w/{id...}", {"id": "x/y"}),
        ("/api/w/x%2Fy", "/api/w/{id...}", {"id": "x/y"}),
    ],
)
def test_a_path_is_found_with_what_stands_at_its_names(path: str, served: str, variables: dict[str, str]) -> None:
    found = TABLE.find(path)
    assert found is not None
    assert {each.path for each in found.methods.values()} == {served}
    assert found.variables == variables


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/plain/",
        "/api",
        "/api/",
        "/api/b",
        "/api/a/",
        "/api/a//do",
        "/api/w/",
        "/api/w/x/y/z",
        "/api/w//y",
        "x",
    ],
)
def test_other_paths_are_nobodys(path: str) -> None:
    assert TABLE.find(path) is None


def test_a_known_path_names_its_methods_and_head_takes_the_way_of_get() -> None:
    found = TABLE.find("/api/a/x")
    assert found is not None
    assert found.allowed == "GET, HEAD, PUT"
    assert found.route("HEAD") is found.route("GET")
    assert found.route("DELETE") is None


@pytest.mark.parametrize("paths", [["GET /x", "GET /x"], ["GET /{id}"], ["GET /api/{id}"]])
def test_a_table_that_would_be_ambiguous_is_refused(paths: list[str]) -> None:
    made: Any = [route(*each.split(" ")) for each in paths]
    with pytest.raises(ValueError, match=r"/"):
        Routes(made)
