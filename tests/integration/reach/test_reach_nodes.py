"""The node kinds `http` and `mail` against real peers: what goes out, and where the run goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.nodes.http import HttpNode
from actors.nodes.mail import MailNode
from actors.nodes.registry import NodeContext, Outcome
from actors.reach.http_client import HttpClient
from actors.reach.mailer import Mailer, MailServer, MailSettings
from protocol.errors import CallRefused, NodeError, Refusal
from protocol.flow import Node
from tests.integration.reach.conftest import free_port
from tests.integration.reach.peers import Peer
from tests.integration.reach.test_mailer import Inbox, mail_server

PAYLOAD = {"user": {"name": "Ana & Bo", "id": 7, "path": "../x?y=1", "up": ".."}, "tags": ["a", "b"], "token": "t"}


def node(kind: str, data: dict[str, Any], **outputs: str | None) -> Node:
    return Node("n1", kind, "n1", data, {"output_1": "n2", **outputs})


def context(payload: Any = PAYLOAD) -> NodeContext:
    return NodeContext("w-1", "default", "", json.dumps(payload).encode(), "w-1:n1:1")


async def request(client: HttpClient, data: dict[str, Any], payload: Any = PAYLOAD, **outputs: str | None) -> Outcome:
    return await HttpNode(client).run(node("http", data, **outputs), context(payload))


async def test_payload_values_go_where_they_are_written(client: HttpClient, peer: Peer) -> None:
    outcome = await request(
        client,
        {
            "url": peer.url + "/users/{{user.name}}/{{user.path}}?first={{user.name}}",
            "method": "put",
            "headers": {"Authorization": "Bearer {{token}}", "X-Id": "{{user.id}}"},
            "query": {"tag": "{{tags}}", "n": "{{user.id}}", "none": "{{?nothing}}"},
            "body": {"name": "{{user.name}}", "id": "{{user.id}}", "tags": "{{tags}}"},
        },
    )
    (asked,) = peer.asked
    assert asked["method"] == "PUT"
    assert asked["path"] == "/users/Ana%20&%20Bo/..%2Fx%3Fy=1?first=Ana%20%26%20Bo&tag=a&tag=b&n=7"
    assert (asked["headers"]["authorization"], asked["headers"]["x-id"]) == ("Bearer t", "7")
    assert asked["headers"]["content-type"] == "application/json"
    assert json.loads(asked["body"]) == {"name": "Ana & Bo", "id": 7, "tags": ["a", "b"]}
    payload = json.loads(outcome.payload)
    assert outcome.next == "output_1"
    assert payload["user"] == PAYLOAD["user"]
    assert (payload["response"]["status"], payload["response"]["ok"]) == (200, True)
    assert payload["response"]["body"]["ok"] is True
    assert payload["response"]["headers"]["x-two"] == "a"


async def test_the_address_may_come_from_the_payload(client: HttpClient, peer: Peer) -> None:
    host = peer.url.removeprefix("http://")
    payload = {"base": f"{peer.url}/api?x=1", "host": host, "id": "a/b"}
    await request(client, {"url": "{{base}}&id={{id}}"}, payload)
    await request(client, {"url": "http://{{host}}/{{id}}{{?none}}"}, payload)
    assert [asked["path"] for asked in peer.asked] == ["/api?x=1&id=a/b", "/a%2Fb"]


async def test_what_changes_something_carries_a_key_that_a_retry_repeats(client: HttpClient, peer: Peer) -> None:
    for _ in range(2):
        await request(client, {"url": peer.url, "body": "x"})
    await request(client, {"url": peer.url, "method": "DELETE", "headers": {"idempotency-key": "mine"}})
    await request(client, {"url": peer.url})
    first, again, own, read = (asked["headers"].get("idempotency-key") for asked in peer.asked)
    assert first
    assert first == again
    assert (own, read) == ("mine", None)


async def test_headers_and_query_may_be_json_texts_and_a_text_body_goes_as_it_is(
    client: HttpClient, peer: Peer
) -> None:
    data = {
        "url": f"{peer.url}/x#f",
        "headers": '{"X-A": "b"}',
        "query": '{"q": "{{user.id}}"}',
        "body": "n={{user.id}}",
    }
    await request(client, data)
    await request(client, {"url": peer.url, "headers": "", "query": "", "body": '{"n": {{user.id}}}'})
    await request(client, {"url": peer.url, "body": ""})
    first, second, third = peer.asked
    assert (first["method"], first["path"], first["body"], first["headers"]["x-a"]) == ("POST", "/x?q=7", "n=7", "b")
    assert (second["headers"]["content-type"], second["body"]) == ("application/json", '{"n": 7}')
    assert third["method"] == "GET"


@pytest.mark.parametrize(("path", "key", "value"), [("latin", "body", "grüße"), ("bytes", "bodyBase64", "AAEC")])
async def test_a_body_that_is_no_json_is_text_or_base64(
    client: HttpClient, peer: Peer, path: str, key: str, value: str
) -> None:
    outcome = await request(client, {"url": f"{peer.url}/{path}", "field": "got"})
    assert json.loads(outcome.payload)["got"][key].startswith(value)


@pytest.mark.parametrize("payload", [[1, 2], 3, "text", None])
async def test_a_payload_that_is_no_object_is_kept_as_input(client: HttpClient, peer: Peer, payload: Any) -> None:
    outcome = await request(client, {"url": peer.url}, payload)
    result = json.loads(outcome.payload)
    assert result["input"] == payload
    assert result["response"]["status"] == 200


@pytest.mark.parametrize("edge", ["error", "output_2"])
async def test_failures_go_on_at_an_edge_of_their_own_where_there_is_one(
    client: HttpClient, peer: Peer, edge: str
) -> None:
    gone = f"http://127.0.0.1:{free_port()}/"
    failed = await request(client, {"url": gone}, **{edge: "n3"})
    assert failed.next == edge
    assert json.loads(failed.payload)["response"]["error"]["name"] == "NetworkError"
    status = await request(client, {"url": f"{peer.url}/status/404"}, **{edge: "n3"})
    assert (status.next, json.loads(status.payload)["response"]["status"]) == (edge, 404)
    slow = await request(client, {"url": f"{peer.url}/hang", "timeout": "0.2"}, **{edge: "n3"})
    assert json.loads(slow.payload)["response"]["error"]["name"] == "TimeoutError"
    well = await request(client, {"url": peer.url}, **{edge: "n3"})
    assert well.next == "output_1"


async def test_without_such_an_edge_a_status_is_a_result_and_no_answer_fails_the_node(
    client: HttpClient, peer: Peer
) -> None:
    status = await request(client, {"url": f"{peer.url}/status/500"}, error=None)
    assert (status.next, json.loads(status.payload)["response"]["ok"]) == ("output_1", False)
    with pytest.raises(CallRefused, match="cannot be reached"):
        await request(client, {"url": f"http://127.0.0.1:{free_port()}/"})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "needs a url"),
        ({"url": 5}, "url must be a text"),
        ({"url": "{{nothing}}"}, "no nothing"),
        ({"url": "http://x/{{user.up}}/secret"}, "may not be"),
        ({"url": "http://x/", "headers": "{"}, "headers"),
        ({"url": "http://x/", "query": [1]}, "query must be an object"),
        ({"url": "http://x/", "headers": "x"}, "headers must be an object, or the JSON text of one"),
        ({"url": "http://x/", "timeout": "soon"}, "timeout"),
        ({"url": "http://x/", "timeout": 0}, "timeout"),
        ({"url": "x/"}, "absolute"),
        ({"url": "http://x/", "headers": {"A": "{{user.name}}\r\nB: c"}}, "line break"),
    ],
)
async def test_a_node_drawn_wrong_says_what_is_wrong(client: HttpClient, data: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal, match=says):
        await request(client, data)


# --- mail -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def mailer(inbox: Inbox) -> AsyncIterator[Mailer]:
    with mail_server(inbox) as port:
        mailer = Mailer(MailSettings(MailServer("127.0.0.1", port, sender="nflow@example.com")))
        await mailer.open()
        yield mailer
        await mailer.close()


async def page(name: str, payload: Any) -> str:
    return f"<h1>{name} {payload['user']['id']}</h1>"


async def mail(mailer: Mailer, data: dict[str, Any], payload: Any = PAYLOAD, **outputs: str | None) -> Outcome:
    return await MailNode(mailer, page).run(node("mail", data, **outputs), context(payload))


async def test_a_mail_is_filled_from_the_payload_and_escaped_in_its_html(mailer: Mailer, inbox: Inbox) -> None:
    payload = {**PAYLOAD, "to": ["a@b.org", "c@b.org"], "file": "grüße"}
    data = {
        "to": "{{to}}",
        "cc": "",
        "bcc": "d@b.org, e@b.org",
        "subject": "Hello {{user.name}}",
        "message": "Dear {{user.name}}",
        "html": "<p>{{user.name}}</p>",
        "attachments": [{"name": "a.txt", "text": "{{file}}"}],
    }
    outcome = await mail(mailer, data, payload)
    assert inbox.recipients == [["a@b.org", "c@b.org", "d@b.org", "e@b.org"]]
    (got,) = inbox.mails
    text, html = got.get_body(("plain",)), got.get_body(("html",))
    assert text is not None
    assert html is not None
    assert got["Subject"] == "Hello Ana & Bo"
    assert text.get_content().strip() == "Dear Ana & Bo"
    assert html.get_content().strip() == "<p>Ana &amp; Bo</p>"
    assert got["X-Idempotency-Key"] == "w-1:n1:1"
    assert json.loads(outcome.payload)["mail"] == {
        "accepted": ["a@b.org", "c@b.org", "d@b.org", "e@b.org"],
        "rejected": [],
    }


async def test_a_stored_template_makes_the_html(mailer: Mailer, inbox: Inbox) -> None:
    await mail(mailer, {"to": "a@b.org", "subject": "s", "template": "order", "field": "sent"})
    html = inbox.mails[0].get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<h1>order 7</h1>"
    with pytest.raises(NodeError, match="template"):
        await MailNode(mailer).run(node("mail", {"to": "a@b.org", "template": "x"}), context())


async def test_a_mail_that_is_not_sent_fails_the_node_or_goes_on_at_its_error_edge(mailer: Mailer) -> None:
    with pytest.raises(CallRefused, match="refused every recipient"):
        await mail(mailer, {"to": "nobody@b.org", "text": "x"})
    outcome = await mail(mailer, {"to": "nobody@b.org", "text": "x"}, error="n3")
    assert outcome.next == "error"
    assert json.loads(outcome.payload)["mail"]["error"]["name"] == "MailError"
    with pytest.raises(CallRefused, match="not configured"):
        await MailNode(Mailer(MailSettings())).run(node("mail", {"to": "a@b.org"}), context())


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"text": "x"}, "needs a recipient"),
        ({"to": "{{nothing}}"}, "no nothing"),
        ({"to": "{{user}}"}, "to must be an address"),
        ({"to": "a@b.org", "attachments": "x"}, "attachments must be a list"),
        ({"to": "a@b.org", "subject": "{{evil}}"}, "line break"),
    ],
)
async def test_a_mail_node_drawn_wrong_says_what_is_wrong(mailer: Mailer, data: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal, match=says):
        await mail(mailer, data, {**PAYLOAD, "evil": "x\r\nBcc: e@f.org"})
