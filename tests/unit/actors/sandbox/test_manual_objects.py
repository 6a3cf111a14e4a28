"""`http` and `db` of the nFlow manual: what crosses to the runtime, and what a script gets back."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import dumps, loads


def answers(bench: Any, **told: Any) -> None:
    value = {"status": 200, "statusText": "OK", "url": "https://x/", "headers": {}, "body": "", **told}
    bench.reply = lambda name, arguments: "1" + dumps(value).decode()


def asked(bench: Any, source: str, **order: Any) -> tuple[Any, list[Any]]:
    """What the script returned, and the calls it made."""
    payload = bench.done(source, entry="async", **order).result.payload
    return loads(payload), bench.calls


# --- http ---


@pytest.mark.parametrize("realm", ["warm", "fresh"])
def test_a_response_of_json_is_read(bench: Any, realm: str) -> None:
    answers(
        bench,
        status=201,
        statusText="Created",
        headers={"content-type": "application/json; charset=utf-8"},
        body='{"a":[1]}',
    )
    source = """
      const r = await http.get('https://x/')
      return [r.status, r.statusText, r.ok, r.data, r.body, r.text(), r.json(), r.headers['content-type'], Object.keys(r), r.url]
    """
    payload, calls = asked(bench, source, realm=realm)
    assert payload[:7] == [201, "Created", True, {"a": [1]}, '{"a":[1]}', '{"a":[1]}', {"a": [1]}]
    assert payload[8] == ["status", "statusText", "ok", "url", "headers", "data"]
    assert calls == [("http.request", ["GET", "https://x/", {"headers": {}}])]


@pytest.mark.parametrize(
    ("told", "data"),
    [
        ({"headers": {"content-type": "text/html"}, "body": "{}"}, "{}"),
        ({"headers": {"content-type": "application/problem+json"}, "body": "[1]"}, [1]),
        ({"headers": {"content-type": "application/json"}, "body": "not json"}, "not json"),
        ({"headers": {"content-type": "application/jsonx"}, "body": "1"}, "1"),
        ({"body": None, "bodyBase64": "w7E="}, "ñ"),
        ({"body": None, "bodyBase64": "/w=="}, "\xff"),
        ({"body": None}, ""),
    ],
)
def test_other_responses_are_text(bench: Any, told: dict[str, Any], data: Any) -> None:
    answers(bench, **told)
    assert asked(bench, "return (await http.get('u')).data")[0] == data


def test_any_status_is_a_response_and_what_is_none_is_thrown(bench: Any) -> None:
    answers(bench, status=500)
    assert asked(bench, "const r = await http.get('u'); return [r.status, r.ok]")[0] == [500, False]
    bench.reply = lambda name, arguments: '0{"name":"NetworkError","message":"refused"}'
    assert asked(bench, "try { await http.get('u') } catch (e) { return [e.name, e.message] }")[0] == [
        "NetworkError",
        "refused",
    ]


def test_a_response_can_be_the_answer_of_a_node(bench: Any) -> None:
    answers(bench, headers={"content-type": "application/json"}, body="[1]")
    expected = {"status": 200, "statusText": "OK", "ok": True, "url": "https://x/", "headers": {"content-type": "application/json"}, "data": [1]}  # fmt: skip
    assert asked(bench, "return await http.get('u')")[0] == expected
    body = bench.done("async function main() { c.JSON(200, await http.get('u')) }").result.answer.body
    assert loads(body) == expected


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("post('u', {body: {a: 1}})", ["POST", "u", {"headers": {"Content-Type": "application/json"}, "body": '{"a":1}'}]),
        ("put('u', {body: [1], headers: {'content-type': 'x/y'}})", ["PUT", "u", {"headers": {"content-type": "x/y"}, "body": "[1]"}]),
        ("patch('u', {body: 'text'})", ["PATCH", "u", {"headers": {}, "body": "text"}]),
        ("delete('u', {body: null})", ["DELETE", "u", {"headers": {}}]),
        ("head('u')", ["HEAD", "u", {"headers": {}}]),
        ("request('options', 'u')", ["OPTIONS", "u", {"headers": {}}]),
        ("post('u', {body: new Uint8Array([1, 255])})", ["POST", "u", {"headers": {}, "bodyBase64": "Af8="}]),
        ("post('u', {body: new ArrayBuffer(1)})", ["POST", "u", {"headers": {}, "bodyBase64": "AA=="}]),
        ("post('u', {body: new URLSearchParams({a: '1 2'})})", ["POST", "u", {"headers": {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}, "body": "a=1+2"}]),
        ("get('u?x=1#h', {query: {a: 'b c', d: [1, 2], n: null}})", ["GET", "u?x=1&a=b%20c&d=1&d=2#h", {"headers": {}}]),
        ("get('u', {query: '?a=1'})", ["GET", "u?a=1", {"headers": {}}]),
        ("get('u', {headers: {A: ['1', '2'], B: 3}, timeout: 500})", ["GET", "u", {"headers": {"A": ["1", "2"], "B": "3"}, "timeoutMs": 500}]),
        ("get('u', {headers: new Headers({A: 'x'})})", ["GET", "u", {"headers": {"a": "x"}}]),
        ("get(new URL('https://x/y'))", ["GET", "https://x/y", {"headers": {}}]),
        ("get('u', {redirect: 'manual', maxKb: 5})", ["GET", "u", {"headers": {}, "redirect": "manual", "maxKb": 5}]),
    ],
)  # fmt: skip
def test_what_of_a_request_crosses(bench: Any, call: str, arguments: list[Any]) -> None:
    answers(bench)
    assert asked(bench, f"await http.{call}")[1] == [("http.request", arguments)]


@pytest.mark.parametrize(
    "call", ["get('u', 'text')", "post('u', {body: 1n})", "get('u', {headers: {get a() { throw new TypeError }}})"]
)
def test_options_that_cannot_be_sent_reject(bench: Any, call: str) -> None:
    assert asked(bench, f"try {{ await http.{call} }} catch (e) {{ return e.name }}") == ("TypeError", [])


# --- db ---


@pytest.mark.parametrize(
    ("call", "wire"),
    [
        ("query('q $1 $2', [1, 'x'])", ("db.query", ["q $1 $2", [1, "x"]])),
        ("query('q', 1, 'x')", ("db.query", ["q", [1, "x"]])),
        ("query('q')", ("db.query", ["q", []])),
        ("exec('q', [new Date(0), undefined, null, true])", ("db.exec", ["q", ["1970-01-01T00:00:00.000Z", None, None, True]])),
        ("exec('q', [12345678901234567890n])", ("db.exec", ["q", ["12345678901234567890"]])),
        ("exec('q', new Uint8Array([1, 2]))", ("db.exec", ["q", [{"type": "Buffer", "data": "AQI="}]])),
        ("exec('q', [[1, 2], {a: 1}])", ("db.exec", ["q", [[1, 2], {"a": 1}]])),
        ("prepare('q').query(5, 6)", ("db.query", ["q", [5, 6]])),
        ("prepare('q').exec([7])", ("db.exec", ["q", [7]])),
    ],
)  # fmt: skip
def test_statements_cross_with_their_parameters_apart(bench: Any, call: str, wire: Any) -> None:
    assert asked(bench, f"await db.{call}")[1] == [wire]


def test_one_row_or_null(bench: Any) -> None:
    bench.reply = lambda name, arguments: '1[{"a":1},{"a":2}]'
    assert asked(bench, "return await db.queryRow('q')")[0] == {"a": 1}
    bench.reply = lambda name, arguments: "1[]"
    assert asked(bench, "return await db.prepare('q').queryRow()")[0] is None


def test_a_statement_is_a_text(bench: Any) -> None:
    assert bench.failed("async function main() { await db.query({toString: () => 'q'}) }").name == "TypeError"
    assert bench.failed("function main() { db.prepare(5) }").name == "TypeError"


TRANSACTION = (
    "return await db.transaction(async (tx) => { await tx.exec('a', 1); const r = await tx.query('b'); return [r, 2] })"
)


def test_a_transaction_commits_what_its_function_did(bench: Any) -> None:
    bench.reply = lambda name, arguments: '1"t1"' if name == "db.begin" else "1null"
    payload, calls = asked(bench, TRANSACTION)
    assert payload == [None, 2]
    assert calls == [
        ("db.begin", []),
        ("db.exec", ["a", [1], "t1"]),
        ("db.query", ["b", [], "t1"]),
        ("db.commit", ["t1"]),
    ]


@pytest.mark.parametrize("rollback", ["1null", '0{"name":"Error","message":"worse"}'])
def test_a_transaction_whose_function_fails_is_rolled_back_and_the_failure_told(bench: Any, rollback: str) -> None:
    bench.reply = lambda name, arguments: rollback if name == "db.rollback" else '1"t1"'
    source = "try { await db.transaction(async (tx) => { await tx.exec('a'); throw new RangeError('no') }) } catch (e) { return e.message }"
    payload, calls = asked(bench, source)
    assert payload == "no"
    assert [name for name, _ in calls] == ["db.begin", "db.exec", "db.rollback"]


def test_a_transaction_that_has_ended_takes_no_more(bench: Any) -> None:
    bench.reply = lambda name, arguments: '1"t1"'
    source = """
      let kept; await db.transaction((tx) => { kept = tx })
      const told = []
      for (const f of [() => kept.query('q'), () => kept.exec('q'), () => kept.commit(), () => kept.prepare('q').query()])
        try { await f() } catch (e) { told.push(e.message) }
      const tx = await db.begin(); await tx.commit()
      await db.transaction(async (other) => { await other.rollback() })
      return told
    """
    payload, calls = asked(bench, source)
    assert payload == ["db: the transaction has ended"] * 4
    names = [name for name, _ in calls]
    assert names == ["db.begin", "db.commit", "db.begin", "db.commit", "db.begin", "db.rollback"]


def test_a_tampered_query_is_still_only_data(bench: Any) -> None:
    """Everything a script defines is in the values; the name of the call is not its own to choose."""
    source = "Array.prototype.push = () => 'x'; Array.prototype.map = function () { return ['mine'] }; await db.query('q', [1])"
    asked(bench, source, realm="fresh")
    assert [name for name, _ in bench.calls] == ["db.query"]
