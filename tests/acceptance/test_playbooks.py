"""Whole playbooks: errors and their bodies, routes, forks, cycles, and documents that are partly bad."""

from __future__ import annotations

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, edges, js, playbook, starter, write
from tests.acceptance.servers import Server, until

EXPORT = Path(__file__).parents[1] / "data" / "designer_export.json"
WID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

ERRORS = playbook(
    Errors={
        "s": starter("/fail/:how", "a"),
        "a": js(
            "function main() { next = vars.how }",
            name_box="secret box",
            api_password="parameter",
        )
        | {
            "outputs": {name: edges(name)["output_1"] for name in ("throws", "broken", "unknown", "s", "empty", "late")}
        },
        "throws": js("function main() {\n  // SOURCE\n  throw new TypeError('boom <b>');\n}", "a", field="shown"),
        "broken": js("function main() { SOURCE"),
        "unknown": {"data": {"type": "unheard_of"}, "outputs": {}},
        "empty": {"data": {"type": "js"}, "outputs": {}},
        "late": js("async function main() { await null; throw new Error('later') }"),
    },
    Thrown=chain("/throw/:what", "throw {text: 'a text', number: 42, nothing: null, object: {a: 1}}[vars.what]"),
    Answered=chain("/answered", "c.String(200, 'half')", "throw new Error('after the answer')"),
)


@pytest.fixture(scope="module")
def errors(launch: Launch) -> Server:
    return launch(ERRORS)


@pytest.fixture(scope="module")
def debugged(launch: Launch) -> Server:
    return launch(ERRORS, "[debug]\nenabled = true\n")


def test_a_script_that_throws_is_answered_with_message_and_node_but_not_its_source(errors: Server) -> None:
    answer = errors.get("/fail/throws")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/json")
    told = answer.json()
    assert told["message"] == "TypeError: boom <b> at main (workflow:3:13)"
    assert told["actor"]["outputs"] == {"output_1": {"connections": [{"node": "a", "output": "input_1"}]}}
    assert told["actor"]["data"]["field"] == "shown"
    assert b"SOURCE" not in answer.body
    assert b"\\u003cb\\u003e" in answer.body, "written as Go writes JSON"
    assert WID.fullmatch(answer.headers["Nflow-Wid-1"])


def test_with_debug_enabled_the_error_shows_the_source(debugged: Server) -> None:
    data = debugged.get("/fail/throws").json()["actor"]["data"]
    assert "// SOURCE" in data["code"]


def test_a_script_that_does_not_compile_says_where(errors: Server) -> None:
    answer = errors.get("/fail/broken")
    assert answer.status == 500
    assert answer.json()["message"].startswith("Script compilation error: SyntaxError: ")
    assert b"SOURCE" not in answer.body


def test_an_unknown_node_type_is_an_error_when_it_is_reached(errors: Server) -> None:
    answer = errors.get("/fail/unknown")
    assert (answer.status, answer.json()) == (500, {"error": "Type node not found", "type": "unheard_of"})


def test_a_start_node_cannot_be_a_step(errors: Server) -> None:
    answer = errors.get("/fail/s")
    assert (answer.status, answer.json()) == (500, {"error": "Starter can not run with play button"})


def test_a_node_without_source_fails_like_one_without_main(errors: Server) -> None:
    answer = errors.get("/fail/empty")
    assert answer.status == 500
    assert "main is not defined" in answer.json()["message"]


def test_a_rejected_async_main_fails_its_node(errors: Server) -> None:
    answer = errors.get("/fail/late")
    assert answer.status == 500
    assert answer.json()["message"].startswith("Error: later")


@pytest.mark.parametrize(
    ("what", "message"), [("text", "a text"), ("number", "42"), ("nothing", "null"), ("object", "[object Object]")]
)
def test_whatever_is_thrown_becomes_the_message(errors: Server, what: str, message: str) -> None:
    answer = errors.get(f"/throw/{what}")
    assert (answer.status, answer.json()["message"]) == (500, message)


def test_an_error_after_an_answer_replaces_the_answer(errors: Server) -> None:
    answer = errors.get("/answered")
    assert answer.status == 500
    assert b"half" not in answer.body


# --- routes ---


@pytest.fixture(scope="module")
def routes(launch: Launch) -> Server:
    said = "c.String(200, '%s ' + JSON.stringify(vars))"
    return launch(
        playbook(
            chain("/a/:x", said % "variable"),
            chain("/a/fixed", said % "fixed"),
            chain("/a/:x/end", said % "deep variable"),
            chain("/a/fixed/:y", said % "deep fixed"),
            chain("/any", said % "any", method="ANY"),
            chain("/any", said % "post", method="POST"),
            chain("/slash/", said % "slash"),
            chain("/no_slash", said % "no slash"),
            chain("/a b/ñ", said % "spaced"),
            chain("/first/:same", said % "first"),
            chain("/first/:other", said % "second"),
            chain("/head", "c.SetHeader('X-A', '1'); c.String(200, 'hello')"),
            chain("/private", "c.String(200, 'private')", nflow_auth="true"),
            chain("/health", "c.String(200, 'a flow')"),
        )
    )


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/a/1", 'variable {"x":"1"}'),
        ("GET", "/a/fixed", "fixed {}"),
        ("GET", "/a/fixed/end", 'deep fixed {"y":"end"}'),
        ("GET", "/a/other/end", 'deep variable {"x":"other"}'),
        ("GET", "/a/%66ixed", "fixed {}"),
        ("GET", "/a/b%2Fc%3Fd", 'variable {"x":"b/c?d"}'),
        ("GET", "/a/%ff", 'variable {"x":"\ufffd"}'),
        ("GET", "/a/a+b", 'variable {"x":"a+b"}'),
        ("GET", "/any", "any {}"),
        ("POST", "/any", "post {}"),
        ("PURGE", "/any", "any {}"),
        ("GET", "/slash/", "slash {}"),
        ("GET", "/no_slash", "no slash {}"),
        ("GET", "/no_slash?a=/b/", "no slash {}"),
        ("GET", "/a%20b/%C3%B1", "spaced {}"),
        ("GET", "/first/x", 'first {"same":"x"}'),
        ("GET", "/no_slash/nftk/campaign", "no slash {}"),
    ],
)
def test_a_request_goes_to_the_most_specific_route(routes: Server, method: str, path: str, said: str) -> None:
    answer = routes.ask(path, method)
    assert (answer.status, answer.text) == (200, said)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("POST", "/a/1"),
        ("GET", "/slash"),
        ("GET", "/no_slash/"),
        ("GET", "/A/1"),
        ("PUT", "/x/y/z"),
    ],
)
def test_what_no_route_takes_is_404(routes: Server, method: str, path: str) -> None:
    answer = routes.ask(path, method)
    assert (answer.status, answer.body) == (404, b'{"code":404,"message":"not found"}\n')
    assert answer.headers["Content-Type"] == "application/json"


def test_an_empty_segment_of_a_pattern_takes_any_one_segment_as_in_go(forks: Server) -> None:
    assert forks.get("/").text == "root"
    assert forks.get("/anything").text == "root"
    assert forks.get("/any/thing").status == 404


def test_head_is_get_without_the_body(routes: Server) -> None:
    answer = routes.ask("/head", "HEAD")
    assert (answer.status, answer.body, answer.headers["X-A"], answer.headers["Content-Length"]) == (200, b"", "1", "5")


def test_a_flow_that_asks_for_a_login_is_never_served_without_one(routes: Server) -> None:
    answer = routes.get("/private")
    assert answer.status == 500
    assert "no auth()" in answer.json()["error"]


def test_the_servers_own_endpoints_are_not_taken_by_a_flow(routes: Server) -> None:
    assert routes.get("/health").json()["status"] == "healthy"


# --- forks, kills, cycles ---


@pytest.fixture(scope="module")
def forks(launch: Launch) -> Server:
    return launch(
        playbook(
            {
                "s": starter("/fork", "a"),
                "a": js("function main() { payload = {n: [1]} }", "g"),
                "g": {"data": {"type": "gorutine"}, "outputs": edges("main", "branch")},
                "main": js("function main() { payload.n.push(2); c.JSON(200, payload) }"),
                "branch": js("function main() { payload.n.push(3); c.String(500, 'to nobody') }", "later"),
                "later": js("function main() { sleep(50); payload.of = nflow_endpoint }"),
            },
            {
                "s": starter("/fork/bad", "g"),
                "g": {"data": {"type": "gorutine"}, "outputs": edges("main", "branch")},
                "main": js("function main() { c.String(200, 'well') }"),
                "branch": js("function main() { throw new Error('of the branch') }"),
            },
            {
                "s": starter("/fork/bomb", "g"),
                "g": {"data": {"type": "gorutine"}, "outputs": edges("main", "g")},
                "main": js("function main() { c.String(200, 'well') }"),
            },
            {
                "s": starter("/fork/alone", "g"),
                "g": {"data": {"type": "gorutine"}, "outputs": edges("main")},
                "main": js("function main() { c.String(200, 'alone') }"),
            },
            {
                "s": starter("/loop/:n", "a"),
                "a": js("function main() { payload = {left: Number(vars.n), sum: 0} }", "b"),
                "b": js("function main() { next = payload.left-- > 0 ? 'output_1' : 'output_2' }", "c", "d"),
                "c": js("function main() { payload.sum += payload.left }", "b"),
                "d": js("function main() { c.JSON(200, payload.sum) }"),
            },
            chain("/", "c.String(200, 'root')"),
            chain("/kill/:wid", "wkill(vars.wid); c.String(200, 'done')"),
            chain("/answers/first", "c.String(201, 'mine'); console.log('answered ' + wid)", "sleep(5000)"),
            chain("/log/wid", "console.log('started ' + wid)", "sleep(5000); c.String(200, 'survived')"),
        ),
        "[server]\nmax_steps = 100\n[tracker]\nenabled = true\nflush_interval = 50\n",
    )


def rows(server: Server, query: str, *values: object) -> list[tuple[object, ...]]:
    store = sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)
    try:
        return store.execute(query, values).fetchall()
    finally:
        store.close()


def test_a_gorutine_runs_its_second_output_beside_the_first_with_a_copy_of_the_payload(forks: Server) -> None:
    answer = forks.get("/fork")
    assert (answer.status, answer.json()) == (200, {"n": [1, 2]})
    branch = answer.headers["Dromedary-Wid-2"]
    assert WID.fullmatch(branch)
    assert branch != answer.headers["Nflow-Wid-1"]
    payload = until(lambda: rows(forks, "select payload from tracker where log_id = ? and box_id = 'later'", branch))
    assert json.loads(payload[0][0]) == {"n": [1, 3], "of": f"go_rutine_{branch}"}


def test_a_failing_branch_does_not_touch_the_answer(forks: Server) -> None:
    assert forks.get("/fork/bad").text == "well"
    assert until(lambda: "this run answers nobody, and failed: " in forks.log())


def test_a_gorutine_without_a_second_branch_goes_on(forks: Server) -> None:
    answer = forks.get("/fork/alone")
    assert (answer.text, "Dromedary-Wid-2" in answer.headers) == ("alone", False)


def test_a_branch_that_forks_itself_comes_to_an_end(forks: Server) -> None:
    before = forks.metric("nflow_processes_total")
    assert forks.get("/fork/bomb").status == 200
    assert until(lambda: forks.metric("nflow_processes_active") == 0)
    assert forks.metric("nflow_processes_total") - before <= 100


def test_a_loop_of_nodes_runs_as_often_as_it_says(forks: Server) -> None:
    assert forks.get("/loop/5").json() == 10
    assert forks.get("/loop/50").status == 408


def test_wkill_ends_another_run_with_an_empty_answer(forks: Server) -> None:
    with ThreadPoolExecutor() as threads:
        victim = threads.submit(forks.get, "/log/wid")
        found = until(lambda: re.findall(r"started ([0-9a-f-]{36})", forks.log()))
        assert forks.get(f"/kill/{found[-1]}").text == "done"
        answer = victim.result(timeout=2)
    assert (answer.status, answer.body) == (200, b"")
    assert forks.get("/kill/nobody").text == "done"


def test_what_a_killed_run_has_answered_stays_answered(forks: Server) -> None:
    with ThreadPoolExecutor() as threads:
        victim = threads.submit(forks.get, "/answers/first")
        found = until(lambda: re.findall(r"answered ([0-9a-f-]{36})", forks.log()))
        forks.get(f"/kill/{found[-1]}")
        answer = victim.result(timeout=2)
    assert (answer.status, answer.text) == (201, "mine")


# --- documents ---


def test_a_full_export_of_the_designer_is_served_as_it_is_beside_its_broken_draft(launch: Launch) -> None:
    server = launch(EXPORT, expects=[r"drawflow\.Draft"])
    assert server.get("/hello/ana?lang=es").json() == {"lang": "es", "message": "Hola, ana!"}
    assert server.get("/branch?n=11").text == "big 11"
    assert server.ask("/branch?n=1", "PUT").text == "small 1"
    assert server.get("/branch").json() == {"error": "n must be a number"}
    assert server.get("/login/a").text == "<p>a</p>"
    assert server.get("/unnamed").status == 204
    assert server.get("/kept").text == "kept"
    assert server.get("/draft").status == 404
    assert server.get("/skipped").status == 404
    told = [line for line in server.log().splitlines() if "[ERROR]" in line]
    assert len(told) == 2
    assert all("drawflow.Draft" in line for line in told)


def test_one_bad_document_in_a_folder_does_not_stop_the_others(launch: Launch, tmp_path: Path) -> None:
    write(tmp_path / "a_good.json", playbook(chain("/good", "c.JSON(200, __flow_app)")))
    write(tmp_path / "b_half.json", playbook(chain("/half", "c.JSON(200, __flow_app)"), {"s": {"data": {}}}))
    (tmp_path / "c_bad.json").write_text("{not json")
    (tmp_path / "notes.txt").write_text("not a playbook")
    write(tmp_path / "d_double.json", playbook(chain("/good", "c.JSON(200, 'never')")))
    server = launch(tmp_path, expects=[r"c_bad\.json", r"b_half\.json"])
    assert server.get("/good").json() == "a_good"
    assert server.get("/half").json() == "b_half"
    log = server.log()
    assert "c_bad.json: document" in log
    assert "b_half.json: drawflow.Flow2.data.s.data.type" in log
    assert "GET /good is never reached" in log
