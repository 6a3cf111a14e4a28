"""The modules that answer pages: forms, templates, mustache, and the manuals' template node."""

from __future__ import annotations

from typing import Any

import pytest

from actors.modules.defaults import template_node_source
from protocol.codec import loads

REQUEST = {"endpoint": "/wiz", "url_base": "http://h"}


def form(modules: Any, data: dict[str, Any], payload: dict[str, Any] | None = None) -> str:
    modules.host |= {"exist_profile": False}
    modules.host.setdefault("get_template", "")
    status, body = modules.answer("form", data, payload=payload or {}, request=REQUEST)
    assert status == 200
    return str(body)


def test_a_form_without_a_page_gets_a_plain_one(modules: Any) -> None:
    body = form(modules, {"html_form": '<input name="q" value="{{.q}}">', "name_box": "Ask <me>"}, {"q": '"><script>'})
    assert '<form method="post" action="/wiz">' in body
    assert '<input type="hidden" name="nflow_next_node_run" value="after">' in body
    assert '<input name="q" value="&#34;&gt;&lt;script&gt;">' in body
    assert "<title>Ask &lt;me&gt;</title>" in body
    assert '<button type="submit">' in body


def test_a_form_of_its_own_is_not_put_into_another(modules: Any) -> None:
    body = form(modules, {"html_form": "<form action='{{.action}}'><button>Go</button></form>"})
    assert body.count("<form") == 1
    assert body.count("<button") == 1
    assert "<form action='/wiz'>" in body


def test_a_form_stands_in_the_page_it_names(modules: Any) -> None:
    modules.host["get_template"] = (
        "{{.form_code | unescapeHTML}}|{{.action}}|{{.next}}|{{.payload.a}}|{{.profile.username}}|{{.url}}|{{.name}}"
    )
    modules.host |= {"exist_profile": True, "get_profile": {"username": "ana"}}
    data = {"html_form": "<i>{{.payload.a}}{{.a}}</i>", "template": "page", "name_box": "N"}
    _, body = modules.answer("form", data, payload={"a": "<"}, request=REQUEST)
    assert body == "<i>&lt;&lt;</i>|/wiz|after|&lt;|ana|http://h|N"
    assert ("get_template", ["page"]) in modules.calls


def test_a_form_suspends_the_run(modules: Any) -> None:
    modules.host = {"exist_profile": False}
    assert loads(modules.run("form", {"html_form": "x"}, payload={"a": 1}).payload) == {"a": 1, "break": True}


def test_a_form_whose_page_is_missing_fails_clearly(modules: Any) -> None:
    modules.host = {"exist_profile": False, "get_template": ""}
    assert 'form: there is no template "nowhere"' in modules.failed("form", {"template": "nowhere"}).message


def test_a_form_that_is_a_bad_template_fails_with_its_line(modules: Any) -> None:
    modules.host = {"exist_profile": False}
    assert "template:2: " in modules.failed("form", {"html_form": "x\n{{.a | nothing}}"}).message


@pytest.mark.parametrize(
    ("name", "text", "body"),
    [
        ("template", "<p>{{range .l}}({{.}}){{end}}</p>", "<p>(1)(&lt;)</p>"),
        ("mustache", "<p>{{#l}}({{.}}){{/l}}</p>", "<p>(1)(&lt;)</p>"),
    ],
)
def test_a_page_is_made_of_a_named_template_or_of_text(modules: Any, name: str, text: str, body: str) -> None:
    modules.host["get_template"] = text
    assert modules.answer(name, {"template": "page"}, payload={"l": [1, "<"]}) == (200, body)
    assert modules.answer(name, {"template": text}, payload={"l": [1, "<"]}) == (200, body)
    assert modules.calls == [("get_template", ["page"])]


@pytest.mark.parametrize("name", ["template", "mustache"])
def test_a_page_that_is_missing_fails_clearly(modules: Any, name: str) -> None:
    modules.host["get_template"] = ""
    assert f'{name}: there is no template "nowhere"' in modules.failed(name, {"template": "nowhere"}).message


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        ({"content": "<p>{{.a}}</p>"}, (200, "<p>&lt;</p>")),
        ({"source": "<p>{{a}}</p>", "engine": "mustache", "http_code": "201"}, (201, "<p>&lt;</p>")),
        ({"template": "page"}, (200, "named &lt;")),
        ({"content": "", "http_code": 404}, (404, "")),
    ],
)
def test_the_template_node_of_the_manuals(modules: Any, data: dict[str, Any], answer: tuple[int, str]) -> None:
    modules.sources["node"] = template_node_source()
    modules.host["get_template"] = "named {{.a}}"
    assert modules.answer("node", data, payload={"a": "<"}) == answer


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "the node has no `template`"),
        ({"content": "x", "engine": "jinja"}, 'engine is "go" or "mustache", not "jinja"'),
        ({"template": "nowhere"}, 'there is no template "nowhere"'),
    ],
)
def test_the_template_node_says_what_is_wrong(modules: Any, data: dict[str, Any], message: str) -> None:
    modules.sources["node"] = template_node_source()
    modules.host["get_template"] = ""
    assert message in modules.failed("node", data).message
