"""A reload is all or nothing: followers take over what changed, what nobody follows needs a restart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.configuration.live import Live, Reloaded
from protocol.errors import BadDocument, Problem
from protocol.settings import Settings


def settings(text: str = "") -> Settings:
    return Settings.parse(text, "config.toml", {})[0]


class Room:
    """Follows some keys and remembers what it took over."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.taken: list[Settings] = []

    def prepare(self, new: Settings) -> Callable[[], None]:
        if self.refusal is not None:
            raise self.refusal
        return lambda: self.taken.append(new)


def test_who_follows_a_changed_key_takes_it_over_and_others_are_left_alone() -> None:
    live, cors, limits = Live(settings()), Room(), Room()
    live.follow(["cors.*"], cors.prepare)
    live.follow(["rate_limit.ip_rate_limit", "mail.from"], limits.prepare)
    assert live.reload(settings("[cors]\nmax_age = 1")) == Reloaded(("cors.max_age",), ())
    assert [taken.cors.max_age for taken in cors.taken] == [1]
    assert limits.taken == []
    assert live.settings.cors.max_age == 1
    assert live.reload(settings("[cors]\nmax_age = 1\n[mail]\nfrom = 'me'")) == Reloaded(("mail.from",), ())
    assert [taken.mail.sender for taken in limits.taken] == ["me"]


def test_what_nobody_follows_needs_a_restart_and_stays_as_it_was() -> None:
    live, room = Live(settings()), Room()
    live.follow(["cors.*"], room.prepare)
    new = settings("[server]\nport = 1\n[env]\na = 'b'\n[plugin.shop]\na = 1\n[cors]\nmax_age = 1")
    done = live.reload(new)
    assert done == Reloaded(("cors.max_age",), ("env", "plugin.shop", "server.port"))
    assert (live.settings.server.port, live.settings.env, room.taken[0].server.port) == (8080, {}, 8080)
    assert live.reload(new) == Reloaded((), ("env", "plugin.shop", "server.port"))


@pytest.mark.parametrize("refusal", [BadDocument([Problem("cors.max_age", "cannot be")]), ValueError("CANARY")])
def test_when_somebody_refuses_nothing_has_changed(refusal: Exception) -> None:
    live, good, bad = Live(settings()), Room(), Room(refusal)
    live.follow(["cors.*"], good.prepare)
    live.follow(["cors.max_age"], bad.prepare)
    with pytest.raises(BadDocument, match=r"cors\.max_age: cannot be") as refused:
        live.reload(settings("[cors]\nmax_age = 1"))
    assert "CANARY" not in str(refused.value)
    assert good.taken == []
    assert live.settings == settings()


def test_a_follower_of_files_is_asked_at_each_reload() -> None:
    live, certificate = Live(settings()), Room()
    live.follow((), certificate.prepare, always=True)
    assert live.reload(settings()) == Reloaded((), ())
    assert len(certificate.taken) == 1


def test_what_is_followed_is_known_by_name() -> None:
    live = Live(settings())
    live.follow(["log.*", "server.access_log"], Room().prepare)
    assert live.followed == {
        "log.level", "log.format", "log.output", "log.max_mb", "log.keep", "log.audit", "server.access_log",
    }  # fmt: skip
