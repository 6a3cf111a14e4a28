"""The description at /openapi.json says what the route table serves, in valid OpenAPI 3.1.

The schema it is held against is the one the OpenAPI Initiative publishes (2022-10-07, Apache License 2.0).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.api.monitoring import Monitoring
from gateway.api.openapi import described
from gateway.api.table import Auth, Route, Routes
from gateway.debug.parts import DebugParts
from gateway.debug.table import debug_routes
from gateway.routes import ApiParts, routes
from protocol.errors import BadDocument
from protocol.plugins import ActionInfo
from protocol.settings import Settings
from protocol.settings.engine import Api, Monitor

NOTHING: Any = None
SECURITY = {
    Auth.NOBODY_ASKED: [],
    Auth.DEBUG: [{"debugToken": []}, {"debugBearer": []}, {"debugQuery": []}],
}
PARTS = ApiParts(*[NOTHING] * len(ApiParts.__dataclass_fields__))


def table(monitor: Monitor | None = None, api: Api | None = None, *, debug: bool = False) -> Routes:
    monitor = monitor or Monitor()
    pages = Monitoring(monitor.health_check_path, monitor.metrics_path, NOTHING, NOTHING)
    return routes(monitor, api or Api(), PARTS, pages, "", port=False, debug=DEBUG if debug else ())


def debug_endpoints() -> tuple[Route, ...]:
    """All there can be."""
    settings, _ = Settings.parse("[debug]\nenabled = true\nenable_pprof = true", "config", {})
    parts = dict.fromkeys(DebugParts.__dataclass_fields__, NOTHING)
    return debug_routes(DebugParts(**{**parts, "settings": lambda: settings, "blocked": object()}))


DEBUG = debug_endpoints()


def document() -> dict[str, Any]:
    """As it goes over the wire."""
    return dict(json.loads(json.dumps(described(table(debug=True).routes, "/flows"))))


ACTIONS = (
    ActionInfo(
        "mail", "send", "Send one", "With care.", {"$ref": "#/$defs/M", "$defs": {"M": {"type": "object"}}}, None
    ),
    ActionInfo("odd one", "a/b", "", "", None, {"type": "string"}),
)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def strings(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, held in value.items():
            yield key, held
            yield from strings(held)
    elif isinstance(value, list):
        for held in value:
            yield from strings(held)


def test_the_description_is_valid_openapi() -> None:
    assert [f"{list(error.path)}: {error.message}" for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_every_schema_in_it_is_valid_and_every_reference_leads_somewhere() -> None:
    told = document()
    for schema in told["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    for key, value in strings(told):
        if key == "$ref":
            assert value.removeprefix("#/components/schemas/") in told["components"]["schemas"]


def test_the_table_and_the_description_name_the_same_endpoints() -> None:
    served = {(route.method, route.path.replace("...", "")): route for route in table(debug=True).routes}
    told = {(method, path): operation for method, path, operation in operations()}
    assert told.keys() == served.keys()
    for key, route in served.items():
        operation = told[key]
        assert operation["security"] == SECURITY.get(route.auth, [{route.auth.value: []}])
        common = (429, 503, *((400, 408, 413, 415) if route.body is not None else ()))
        assert set(operation["responses"]) == {str(each) for each in (*route.answers, *route.errors, *common)}
        assert ("requestBody" in operation) is (route.body is not None)
        names = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        assert names == re.findall(r"\{(\w+)", route.path)
        asked = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        assert asked == [each.name for each in (*route.query, *route.choices)]
        media = {media for status, answer in operation["responses"].items() for media in answer.get("content", ())}
        assert {route.media, *route.other_media} <= {*media, "application/json"}


def test_every_link_leads_to_an_operation_and_names_its_parameters() -> None:
    told = {operation["operationId"]: operation for _, _, operation in operations()}
    links = [
        link
        for operation in told.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert links
    for link in links:
        names = {each["name"] for each in told[link["operationId"]]["parameters"] if each.get("in") == "path"}
        assert set(link["parameters"]) == names


def test_what_facts_and_manuals_name_below_debug_is_there() -> None:
    promised = """
        GET info, GET config, GET repositories, GET playbooks, GET playbook/{flow}, POST cache/invalidate,
        POST cache/invalidate/{flow}, GET cache/stats, GET processes, GET process/{wid}, DELETE process/{wid},
        GET sessions, DELETE sessions, GET vm-pool, GET vm/pool, GET database/stats, GET database/connections,
        GET runtime, GET memory, GET goroutines, GET tracker/stats, GET url-cache, DELETE url-cache, POST gc,
        GET pprof/, GET pprof/profile, GET pprof/heap, GET pprof/goroutine, GET pprof/tasks, GET pprof/threads,
        GET slow-queries, GET invalidate-cache, GET clean-json, GET starters, GET security/blocked, GET supervisor
    """
    wanted = {tuple(each.split()) for each in promised.split(",")}
    told = {(method, path.removeprefix("/debug/")) for method, path, _ in operations() if path.startswith("/debug/")}
    assert told == {(method, path) for method, path in wanted}


def test_debug_endpoints_ask_for_their_own_token_and_tell_errors_in_their_own_shape() -> None:
    for _, path, operation in operations():
        if path.startswith("/debug/"):
            assert operation["tags"] == ["debug"]
            assert {"401", "403", "429"} <= operation["responses"].keys()
            refused = operation["responses"]["401"]["content"]["application/json"]["schema"]
            assert refused == {"$ref": "#/components/schemas/Refused"}
    assert "debugToken" not in described(table().routes)["components"]["securitySchemes"]


def test_operations_have_names_of_their_own_and_known_tags() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document()["tags"]}
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == tags


def test_each_action_of_a_plugin_is_described_with_its_own_schemas() -> None:
    told = json.loads(json.dumps(described(table().routes, "", ACTIONS)))
    assert not list(OpenAPIV31SpecValidator(told).iter_errors())
    send, odd = told["paths"]["/api/plugin/mail/send"]["post"], told["paths"]["/api/plugin/odd%20one/a%2Fb"]["post"]
    assert (send["summary"], send["description"], send["operationId"]) == (
        "Send one",
        "With care.",
        "callPlugin.mail.send",
    )
    schema = send["requestBody"]["content"]["application/json"]["schema"]
    assert jsonschema_rs.validator_for(schema).is_valid({})
    assert not jsonschema_rs.validator_for(schema).is_valid(5)
    assert odd["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "string"
    assert odd["requestBody"]["required"] is False


def test_what_the_manuals_promise_is_there() -> None:
    promised = {
        ("POST", "/api/workflow/{id}"), ("GET", "/api/admin/workflows"), ("GET", "/api/admin/workflows/{id}"),
        ("PUT", "/api/admin/workflows/{id}"), ("DELETE", "/api/admin/workflows/{id}"),
        ("POST", "/api/admin/workflows/{id}/rollback"), ("POST", "/api/plugin/{plugin}/{action}"),
        ("GET", "/api/processes"), ("GET", "/api/processes/{id}"), ("GET", "/api/processes/{id}/state"),
        ("POST", "/api/processes/{id}/step"), ("DELETE", "/api/processes/{id}"), ("GET", "/health"),
        ("GET", "/metrics"),
    }  # fmt: skip
    assert promised <= {(method, path) for method, path, _ in operations()}


def test_configured_paths_are_the_ones_described_and_may_not_be_taken_twice() -> None:
    paths = {route.path for route in table(Monitor(health_check_path="/live")).routes}
    assert "/live" in paths
    assert "/health" not in paths
    with pytest.raises(BadDocument, match=r"monitor\.metrics_path"):
        table(Monitor(metrics_path="/openapi.json"))


def test_what_is_switched_off_is_not_served() -> None:
    assert table(api=Api(docs=False)).find("/openapi.json") is None
    assert {route.tag for route in table(api=Api(enabled=False)).routes} == {"monitoring"}
    assert table(Monitor(enabled=False), Api(enabled=False)).routes == ()
