"""What a script is given of its request, its run and its place in the flow."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, js, playbook, starter
from tests.acceptance.servers import Server, until

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
CONFIG = """
[env]
api_base = "https://api.example.com"
Mixed_Case = "kept"

[url]
url_base = "https://flows.example.com"
"""

PAYLOADS: list[tuple[str, Any]] = [
    ("{a: 1, b: {c: [true, null]}}", {"a": 1, "b": {"c": [True, None]}}),
    ("[1, 'two', [3]]", [1, "two", [3]]),
    ("[]", []),
    ("42", 42),
    ("2 ** 40", 2**40),
    ("9007199254740991", 9007199254740991),
    ("1e21", 1e21),
    ("0.1 + 0.2", 0.30000000000000004),
    ("'text'", "text"),
    ("''", ""),
    ("'ñ 漢 😀'", "ñ 漢 😀"),
    ("'a\\u0000b'", "a\0b"),
    ("'a\\ud800b'", "a\ufffdb"),
    ("null", None),
    ("false", False),
    ("undefined", None),
    ("NaN", None),
    ("{when: new Date(0)}", {"when": "1970-01-01T00:00:00.000Z"}),
    ("{__proto__: null, toJSON: 1}", {"toJSON": 1}),
]


@pytest.fixture(scope="module")
def server(launch: Launch) -> Server:
    flows = {
        f"payload {i}": chain(f"/payload/{i}", f"payload = {value}", "c.JSON(200, {is: payload})")
        for i, (value, _) in enumerate(PAYLOADS)
    }
    shown = "c.JSON(200, {%s})"
    return launch(
        playbook(
            chain("/ok", "c.JSON(200, payload)"),
            chain("/form/payload", "c.JSON(200, payload)", method="POST"),
            chain("/keys", "payload.b = 2", "delete payload.a; payload.c = 3", "c.JSON(200, payload)"),
            chain("/vars/:first/:second", shown % "vars, path_vars, type: typeof vars.first"),
            chain("/vars/set/:x/y", "vars.more = 'set'; c.JSON(200, vars)"),
            chain("/post_data", "c.JSON(200, post_data)", method="ANY"),
            chain("/deep/post/data", "c.JSON(200, post_data)", method="ANY"),
            chain("/form", "c.JSON(200, form)", method="ANY"),
            chain("/header", "c.JSON(200, [header['X-Many'], header['X-One'][0], 'x-one' in header])"),
            chain("/env", "c.JSON(200, env)"),
            chain("/nowhere", "c.JSON(200, {none: env.NFLOW_STORE_PATH, all: Object.keys(env)})"),
            chain("/url_base", "c.JSON(200, url_base)"),
            chain("/endpoint/:x", "c.JSON(200, nflow_endpoint)"),
            chain("/wid", "payload = wid", "c.JSON(200, {wid, same: wid === payload})"),
            chain("/log", "console.log('seen by', {n: 1}, [2], null); console.warn('this'); console.error('and this')"),
            chain("/log/forged", "console.log('one\\n2026-01-01T00:00:00Z [info] two \\x1b[2J')"),
            {
                "start": starter("/place", "first"),
                "first": js("function main() { payload = [current_box, prev_box] }", "second"),
                "second": js("function main() { c.JSON(200, payload.concat(current_box, prev_box)) }"),
            },
            {
                "start": starter("/data", "a"),
                "a": js(
                    "function main() { c.JSON(200, {nflow_data, same: dromedary_data.field === nflow_data.field}) }",
                    field="x", deep={"list": [1, 2]}, name_box="my box",
                ),
            },
            {
                "s": starter("/choose/:output", "a"),
                "a": js("function main() { next = vars.output }", "one", "two", None),
                "one": js("function main() { c.String(200, 'one') }"),
                "two": js("function main() { c.String(200, 'two') }"),
            },
            {
                "s": starter("/outputs", "a"),
                "a": js("function main() { c.JSON(200, __outputs) }", "b", None, "c"),
                "b": js("function main() {}"),
                "c": js("function main() {}"),
            },
            {
                "s": starter("/sources/:which", "pick"),
                "pick": js("function main() { next = 'output_' + vars.which }", "code", "compile", "script", "unknown"),
                "code": js("function main() { c.String(200, 'code') }", script="c.String(200, 'script')"),
                "compile": js("code", compile="function main(){ c.String(200, 'compiled') }"),
                "script": {"data": {"type": "js", "script": "c.String(200, 'script')"}, "outputs": {}},
                "unknown": {"data": {"type": "js", "script": "no_such_module"}, "outputs": {}},
            },
            chain(
                "/form/map",
                "payload.n = {a: 1}",
                "c.JSON(200, [open_session_form(), get_session('nflow_form', 'a')])",
            ),
            chain("/bare", "var top = 1; function main() { c.JSON(200, top) }"),
            **flows,
            **{"Flow of ñ": chain("/flow", "c.JSON(200, [__flow_name, __flow_app])")},
        ),
        CONFIG,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "value"), [(i, value) for i, (_, value) in enumerate(PAYLOADS)], ids=str)
def test_any_json_value_travels_as_payload_from_node_to_node(server: Server, number: int, value: Any) -> None:
    answer = server.get(f"/payload/{number}")
    assert (answer.status, answer.json()) == (200, {"is": value})


def test_query_values_are_the_first_payload_one_as_text_several_as_list(server: Server) -> None:
    assert server.get("/ok?a=1&b=2&a=3&c=%C3%B1+%26").json() == {"a": ["1", "3"], "b": "2", "c": "ñ &"}


def test_form_values_are_in_the_first_payload_and_a_json_body_is_not(server: Server) -> None:
    assert server.post("/form/payload?a=1", body="a=2&b=3", headers={"Content-Type": FORM}).json() == {
        "a": ["1", "2"],
        "b": "3",
    }
    assert server.post("/form/payload?a=1", json={"b": 3}).json() == {"a": "1"}


def test_the_session_of_forms_shows_the_values_of_the_form_and_what_nodes_added(server: Server) -> None:
    assert server.get("/form/map?a=1&b=2&b=3").json() == [{"a": "1", "b": ["2", "3"], "n": {"a": 1}}, "1"]


def test_a_payload_key_that_is_deleted_stays_deleted(server: Server) -> None:
    assert server.get("/keys?a=1").json() == {"b": 2, "c": 3}


@pytest.mark.parametrize(
    ("output", "status", "body"),
    [
        ("output_1", 200, "one"),
        ("output_2", 200, "two"),
        ("output_3", 200, ""),
        ("output_9", 200, ""),
        ("__proto__", 200, ""),
    ],
)
def test_next_names_the_output_that_is_followed_and_one_that_leads_nowhere_ends_the_run(
    server: Server, output: str, status: int, body: str
) -> None:
    answer = server.get(f"/choose/{output}")
    assert (answer.status, answer.text) == (status, body)


def test_vars_holds_the_segments_of_the_path_decoded(server: Server) -> None:
    answer = server.get(f"/vars/a%20b/{quote('ñ/ü', safe='')}").json()
    assert answer == {
        "vars": {"first": "a b", "second": "ñ/ü"},
        "path_vars": {"first": "a b", "second": "ñ/ü"},
        "type": "string",
    }


def test_vars_is_a_plain_object(server: Server) -> None:
    assert server.get("/vars/set/1/y").json() == {"x": "1", "more": "set"}


@pytest.mark.parametrize(
    ("request_line", "content_type", "body", "expected"),
    [
        ("GET /post_data?q=1&q=2&r=3", "", None, {"*": "post_data", "q": "1", "r": "3"}),
        ("DELETE /post_data?q=1", "", None, {"*": "post_data", "q": "1"}),
        ("POST /deep/post/data?q=1", JSON, '{"n": [1, {}]}', {"*": "deep/post/data", "n": [1, {}]}),
        ("POST /post_data", JSON, "[1, 2]", {"*": "post_data"}),
        ("POST /post_data", JSON, "{broken", {"*": "post_data"}),
        ("POST /post_data", JSON, "", {"*": "post_data"}),
        ("PUT /post_data?q=7", FORM, "a=1&a=2&b=%C3%B1+x", {"*": "post_data", "a": "1", "b": "ñ x", "q": "7"}),
        ("PATCH /post_data", "text/plain", "hello", {"*": "post_data"}),
    ],
)
def test_post_data_holds_the_path_and_the_fields_of_query_json_or_form(
    server: Server, request_line: str, content_type: str, body: str | None, expected: dict[str, Any]
) -> None:
    method, path = request_line.split()
    answer = server.ask(path, method, body=body, headers={"Content-Type": content_type} if content_type else {})
    assert (answer.status, answer.json()) == (200, expected)


def test_form_holds_every_value_of_query_and_body_as_a_list(server: Server) -> None:
    assert server.get("/form?a=1&b=&a=2").json() == {"a": ["1", "2"], "b": [""]}
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = server.post("/form?a=query", body="a=body&b=1", headers=headers)
    assert answer.json() == {"a": ["body", "query"], "b": ["1"]}


def test_header_has_canonical_names_and_lists_of_values(server: Server) -> None:
    connection = server.connect()
    with connection:
        connection.sendall(
            b"GET /header HTTP/1.1\r\nHost: h\r\nx-MANY: 1\r\nX-many: 2\r\nx-one: only\r\nConnection: close\r\n\r\n"
        )
        wire = b"".join(iter(lambda: connection.recv(65536), b""))
    assert wire.endswith(b'[["1","2"],"only",false]\n')


def test_env_is_what_the_configuration_says_and_nothing_of_the_process(server: Server) -> None:
    assert server.get("/env").json() == {"api_base": "https://api.example.com", "Mixed_Case": "kept"}
    assert server.get("/nowhere").json() == {"none": None, "all": ["api_base", "Mixed_Case"]}


def test_url_base_is_the_configured_one(server: Server) -> None:
    assert server.get("/url_base").json() == "https://flows.example.com"


def test_nflow_endpoint_is_the_path_as_it_came(server: Server) -> None:
    assert server.get("/endpoint/a%20b?q=1").json() == "/endpoint/a%20b"


def test_wid_is_the_process_id_of_the_response_header_in_every_node(server: Server) -> None:
    answer = server.get("/wid")
    assert answer.json() == {"wid": answer.headers["Nflow-Wid-1"], "same": True}
    assert server.get("/wid").json()["wid"] > answer.json()["wid"], "ids grow with time"


def test_current_box_and_prev_box_are_the_ids_of_this_node_and_the_one_before(server: Server) -> None:
    assert server.get("/place").json() == ["first", "", "second", "first"]


def test_nflow_data_holds_the_parameters_of_the_node(server: Server) -> None:
    answer = server.get("/data").json()
    data = answer["nflow_data"]
    assert answer["same"] is True
    assert (data["field"], data["deep"], data["name_box"], data["type"]) == ("x", {"list": [1, 2]}, "my box", "js")
    assert "function main" in data["code"]


def test_outputs_are_told_by_name_with_the_node_they_lead_to(server: Server) -> None:
    assert server.get("/outputs").json() == {"output_1": "b", "output_3": "c"}


def test_a_script_knows_the_names_of_its_flow_and_app(server: Server) -> None:
    assert server.get("/flow").json() == ["Flow of ñ", "app"]


def test_console_lines_are_in_the_log_of_the_server_with_the_run_they_are_of(server: Server) -> None:
    wid = server.get("/log").headers["Nflow-Wid-1"]
    assert until(lambda: "and this" in server.log())
    lines = [line for line in server.log().splitlines() if wid in line and "] request " not in line]
    assert [line.split("[")[1].split("]")[0] for line in lines] == ["INFO", "WARN", "ERROR"]
    assert all(f" wid={wid} app=app flow=Flow" in line and line.endswith(" node=n1") for line in lines)
    assert 'seen by {"n":1} [2] null' in lines[0]


def test_a_script_cannot_forge_a_line_of_the_log(server: Server) -> None:
    wid = server.get("/log/forged").headers["Nflow-Wid-1"]
    lines = until(lambda: [line for line in server.log().splitlines() if wid in line])
    assert "one\\n2026-01-01T00:00:00Z [info] two \\x1b[2J" in lines[0]


@pytest.mark.parametrize(("which", "said"), [(1, "code"), (2, "compiled"), (3, "script")])
def test_the_source_of_a_node_is_compile_else_code_else_script(server: Server, which: int, said: str) -> None:
    assert server.get(f"/sources/{which}").text == said


def test_a_module_that_does_not_exist_is_an_error_of_the_script(server: Server) -> None:
    answer = server.get("/sources/4")
    assert answer.status == 500
    assert "ReferenceError: no_such_module is not defined" in answer.json()["message"]


def test_statements_above_main_run_first(server: Server) -> None:
    assert server.get("/bare").json() == 1
