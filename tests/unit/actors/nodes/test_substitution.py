"""What an author's `{{path}}` becomes."""

from __future__ import annotations

from typing import Any

import pytest

from actors.nodes.substitution import Substitution
from protocol.errors import NodeError

PAYLOAD: dict[str, Any] = {
    "user": {"name": "Ana", "age": 7, "admin": True, "none": None, "ratio": 0.5},
    "items": [{"id": 1}, {"id": 2}],
    "a b": "spaced",
    "evil": "{{user.name}}",
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{user.name}}", "Ana"),
        ("{{ user.age }}", 7),
        (" {{user.admin}}\n", True),
        ("{{user.none}}", None),
        ("{{user}}", PAYLOAD["user"]),
        ("{{items.1.id}}", 2),
        ("{{items[1].id}}", 2),
        ("{{a b}}", "spaced"),
        ("{{payload.user.age}}", 7),
        ("{{payload}}", PAYLOAD),
        ("{{.}}", PAYLOAD),
        ("{{?user.missing}}", None),
        ("plain", "plain"),
        (12, 12),
        (None, None),
    ],
)
def test_a_lookup_alone_keeps_its_type(template: Any, value: Any) -> None:
    assert Substitution(PAYLOAD).value(template) == value


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hello {{user.name}}!", "Hello Ana!"),
        ("{{user.age}}/{{user.ratio}}/{{user.admin}}", "7/0.5/true"),
        ("[{{user.none}}{{?nobody.home}}]", "[]"),
        ("{{items}}", '[{"id":1},{"id":2}]'),
        ("{ {{user.age}} }", "{ 7 }"),
        ("{{ open", "{{ open"),
        ("", ""),
    ],
)
def test_inside_a_text_values_are_written_out(template: str, text: str) -> None:
    assert Substitution(PAYLOAD).text(template) == text


def test_lists_and_objects_are_filled_all_the_way_down_and_keys_stay() -> None:
    template = {"to": ["{{user.name}}", {"n": "no {{user.age}}"}], "{{user.name}}": 1}
    assert Substitution(PAYLOAD).value(template) == {"to": ["Ana", {"n": "no 7"}], "{{user.name}}": 1}


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert Substitution(PAYLOAD).text("<{{evil}}>") == "<{{user.name}}>"


@pytest.mark.parametrize("path", ["nobody", "user.nobody", "items.2", "items.x", "user.name.first", "items.-1", "a..b"])
def test_a_path_that_leads_nowhere_fails_the_node_and_is_named(path: str) -> None:
    with pytest.raises(NodeError, match="the payload has no") as failed:
        Substitution(PAYLOAD).value("{{" + path + "}}")
    assert path in str(failed.value)


@pytest.mark.parametrize("inside", ["", " ", "#items", "/items", "> partial", "?"])
def test_what_is_no_path_fails_the_node(inside: str) -> None:
    with pytest.raises(NodeError, match="is no path into the payload"):
        Substitution(PAYLOAD).text("{{" + inside + "}}")


@pytest.mark.parametrize("payload", [[1, 2], "text", 5, None, True])
def test_a_payload_need_not_be_an_object(payload: Any) -> None:
    assert Substitution(payload).value("{{.}}") == payload
    with pytest.raises(NodeError):
        Substitution(payload).value("{{name}}")


def test_a_payload_s_own_field_called_payload_comes_first() -> None:
    assert Substitution({"payload": {"x": 1}, "x": 2}).value("{{payload.x}}") == 1
