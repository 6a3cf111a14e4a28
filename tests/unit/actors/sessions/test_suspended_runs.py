"""A run that waits for its form goes on only where it was offered to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.sessions.suspended import MOST, Suspended, begin_fresh, merge, offer, resume
from protocol.errors import BadDocument, NotWaiting

RUN = Suspended(
    "app", "Home", "h1", "form1", '{"a":1}', (("id", "7"), ("x", "")), frozenset(("n2", "n3")), "w1", 10.0
)  # fmt: skip


def kept(*runs: Suspended, of: dict[str, Any] | None = None) -> dict[str, Any]:
    """The session's map after these runs were suspended, as it comes back from a store."""
    state: dict[str, Any] = dict(of or {})
    for run in runs:
        change = offer(state, run)
        state = {key: value for key, value in state.items() if key not in change.drop} | dict(change.put)
    return json.loads(json.dumps(state))  # type: ignore[no-any-return]


def test_a_run_goes_on_with_all_that_was_kept() -> None:
    assert resume(kept(RUN), "app", "Home", "n2") == RUN
    assert resume(kept(RUN), "app", "Home", "n3") == RUN
    behind_login = RUN._replace(login=True)
    assert resume(kept(behind_login), "app", "Home", "n2") == behind_login


@pytest.mark.parametrize(
    ("app", "flow", "node"),
    [("app", "Home", "n4"), ("app", "Home", "form1"), ("app", "Home", ""), ("app", "Other", "n2"), ("b", "Home", "n2")],
)
def test_a_node_that_was_not_offered_is_refused(app: str, flow: str, node: str) -> None:
    with pytest.raises(NotWaiting):
        resume(kept(RUN), app, flow, node)


def test_names_with_slashes_are_kept_apart() -> None:
    one, other = RUN._replace(app="a/b", flow="c"), RUN._replace(app="a", flow="b/c", payload="2")
    both = kept(one, other)
    assert resume(both, "a/b", "c", "n2") == one
    assert resume(both, "a", "b/c", "n2") == other


def test_going_back_to_an_earlier_form_of_the_same_run_works() -> None:
    first = kept(RUN)
    second = RUN._replace(node="form2", offered=frozenset(("n5",)), payload='{"a":1,"b":2}', created=11.0)
    later = dict(offer(first, second, resume(first, "app", "Home", "n2")).put)
    for node in ("n2", "n3", "n5"):
        assert resume(later, "app", "Home", node).payload == '{"a":1,"b":2}'
    other_version = dict(offer(first, second._replace(hash="h2"), resume(first, "app", "Home", "n2")).put)
    with pytest.raises(NotWaiting):
        resume(other_version, "app", "Home", "n2")


def test_a_fresh_run_forgets_the_one_that_waits() -> None:
    state = kept(RUN, RUN._replace(flow="Other"))
    gone = begin_fresh(state, "app", "Home")
    left = {key: value for key, value in state.items() if key not in gone}
    with pytest.raises(NotWaiting):
        resume(left, "app", "Home", "n2")
    assert resume(left, "app", "Other", "n2")
    assert begin_fresh(left, "app", "Home") == frozenset()


def test_the_oldest_go_when_there_are_too_many() -> None:
    state = kept(*(RUN._replace(flow=f"f{n}", created=float(n)) for n in range(MOST + 5)))
    assert len(state) == MOST
    for n in range(MOST + 5):
        if n >= 5:
            assert resume(state, "app", f"f{n}", "n2").created == n
        else:
            with pytest.raises(NotWaiting):
                resume(state, "app", f"f{n}", "n2")
    assert kept(RUN._replace(flow="f7", created=99.0), of=state).keys() == state.keys()


@pytest.mark.parametrize(
    "damage",
    [None, 1, "x", [], {}, {"app": "app"}, {"offered": "n2"}, {"variables": {"a": 1}}, {"payload": {}}, {"wid": None}],
)
def test_what_is_damaged_counts_as_not_there(damage: Any) -> None:
    ((key, value),) = kept(RUN).items()
    state = {key: {**value, **damage} if isinstance(damage, dict) and damage else damage}
    if damage == {"app": "app"}:
        assert resume(state, "app", "Home", "n2") == RUN
        return
    with pytest.raises(NotWaiting):
        resume(state, "app", "Home", "n2")
    assert resume(kept(RUN, of=state), "app", "Home", "n2") == RUN


@pytest.mark.parametrize(
    ("payload", "form", "merged"),
    [
        (
            '{"started":"yes","break":true}', '{"nombre":"ana","x":["1","2"]}',
            {"nombre": "ana", "started": "yes", "x": ["1", "2"]},
        ),
        ('{"started":"yes","break":true}', '{"q":"9"}', {"q": "9", "started": "yes"}),
        ('{"a":1}', "{}", {"a": 1}),
        ('{"a":{"b":[1]}}', '{"a":"2","break":"true"}', {"a": "2"}),
        ("null", '{"a":"2"}', {"a": "2"}),
        ("[1,2]", '{"a":"2"}', [1, 2]),
        ('"text"', "{}", "text"),
        ("7", '{"a":"2"}', 7),
        ('{"\\u0000":"\\u0000"}', "{}", {"\x00": "\x00"}),
    ],
)  # fmt: skip
def test_the_form_comes_over_the_kept_payload_without_break(payload: str, form: str, merged: Any) -> None:
    assert json.loads(merge(payload, form.encode())) == merged


def test_a_payload_that_is_no_json_is_a_clear_error() -> None:
    with pytest.raises(BadDocument, match="payload"):
        merge("{", "{}")
