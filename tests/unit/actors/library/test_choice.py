"""Which of two documents of one app is served: the last change wins."""

from __future__ import annotations

import pytest

from actors.catalogue.choice import in_order_of_preference
from actors.catalogue.live import AppDocument, Triggers
from actors.library.versions import Version, VersionSource

FILE, API, ROLLBACK = VersionSource.FILE, VersionSource.API, VersionSource.ROLLBACK


def document(text: str, source: VersionSource) -> AppDocument:
    return AppDocument("app", text.encode(), text, source, "somewhere")


def history(*entries: tuple[str, VersionSource]) -> list[Version]:
    """The oldest first, as one writes it down."""
    made = [Version("app", number, text, 0.0, source, 1) for number, (text, source) in enumerate(entries, 1)]
    return made[::-1]


@pytest.mark.parametrize(
    ("file", "ours", "versions", "served"),
    [
        ("f1", "a1", history(), "f1"),  # never served before: the file was asked for by name
        ("f1", "a1", history(("a1", VersionSource.IMPORT)), "f1"),
        ("f1", "a1", history(("f1", FILE), ("a1", API)), "a1"),
        ("f2", "a1", history(("f1", FILE), ("a1", API)), "f2"),
        ("f2", "a1", history(("f1", FILE), ("a1", API), ("f2", FILE)), "f2"),
        ("f2", "a2", history(("f1", FILE), ("a1", API), ("f2", FILE), ("a2", API)), "a2"),
        ("f1", "f1", history(("f1", FILE), ("a1", API), ("f1", ROLLBACK)), "f1"),
        ("f1", "a1", history(("f1", FILE), ("a1", API), ("a2", API)), "f1"),  # ours is not what was last put
    ],
)
def test_the_last_change_is_served(file: str, ours: str, versions: list[Version], served: str) -> None:
    order = in_order_of_preference(document(file, FILE), document(ours, API), versions)
    assert order[0].hash == served
    assert len(order) == 2


def test_what_is_alone_is_served() -> None:
    only = document("f", FILE)
    assert in_order_of_preference(only, None, ()) == (only,)
    assert in_order_of_preference(None, only, ()) == (only,)
    assert in_order_of_preference(None, None, ()) == ()


@pytest.mark.parametrize(
    ("source", "auth", "log"),
    [
        ("function auth() {}", True, False),
        ("async function log () {}", False, True),
        ("const auth = () => {}; var log=function(){}", True, True),
        ("// nothing", False, False),
        ("x.auth = 1; if (auth == 2) {}; catalog = 3; function login() {}", False, False),
    ],
)
def test_a_source_is_a_trigger_where_it_defines_the_function(source: str, auth: bool, log: bool) -> None:
    assert Triggers.of(Triggers(), source) == Triggers(source if auth else "", source if log else "")
    assert Triggers.of(Triggers("file a", "file l"), source) == Triggers("file a", "file l")
