"""Session functions of scripts: `set_session`, `get_session`, … and the profile of who is logged in (Go: syncsession).

A profile is kept as Go kept it: as JSON text in the session `auth_session` under `profile`. Whenever one appears where
there was none or another's was, and when it goes, the session gets a new id: nobody can log a browser into a session he
planted there, and a cookie of before a logout is worth nothing. The maps the runtime itself keeps are out of scripts'
reach. Talks to the caller's session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions, SessionView
from actors.sessions import suspended
from protocol.codec import dumps, loads_from_script
from protocol.errors import BadDocument, CallRefused
from protocol.observation.auditing import Audit, AuditEvent, AuditKind, unheard
from protocol.process import Request

FORM_MAP: Final = "nflow_form"
PROFILE_MAP: Final = "auth_session"
PROFILE_KEY: Final = "profile"
_WHO: Final = frozenset(
    {
        *("id", "uid", "user_id", "userid", "sub", "user", "username", "user_name", "name", "login", "account"),
        *("email", "mail", "rol", "role", "roles", "admin", "groups"),
    }
)
"""Keys of a profile, in small letters, that say who it is and what he may do."""
_NAMES: Final = ("username", "user", "login", "email", "name", "id", "sub")
"""Keys of a profile that name its user, the first one that is there."""
COMPLEX: Final = "<complex-value>"
"""What Go gives for a value that is no text, number or boolean."""


def value_as_text(value: Any) -> str:
    """A session's value as `get_session` gives it (Go)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return dumps(value).decode()
    return COMPLEX


async def profile_of(session: SessionView) -> dict[str, Any] | None:
    """Who is logged in; None: nobody. A damaged profile is none."""
    return _profile(await session.read(PROFILE_MAP))


def login_event(profile: Mapping[str, Any] | None, request: Request, wid: str) -> AuditEvent:
    """For the audit: somebody was logged in; None: logged out."""
    name = next((str(profile[key]) for key in _NAMES if profile.get(key)), "") if profile is not None else ""
    kind = AuditKind.LOGOUT if profile is None else AuditKind.LOGIN
    return AuditEvent(kind, request.path, who=name, where=request.address, wid=wid)


async def log_in(session: SessionView, profile: Mapping[str, Any]) -> bool:
    """Make this the session's profile; with a new id for the session where nobody was logged in. Whether it is
    somebody else's than before."""
    try:
        text = dumps(profile).decode()
    except ValueError as error:
        raise CallRefused(f"a profile cannot keep this: {error}", name="TypeError") from None
    return await _write(session, PROFILE_MAP, {PROFILE_KEY: text})


async def log_out(session: SessionView) -> bool:
    """Nobody is logged in any more. The forms waiting here go too: who logs in next may be somebody else. Whether
    somebody was."""
    known = await profile_of(session) is not None
    if known:
        await session.delete(suspended.MAP)
        await session.delete(FORM_MAP)
        await session.rotate()
    await session.remove(PROFILE_MAP, (PROFILE_KEY,))
    return known


class SessionFunctions:
    """The functions."""

    def __init__(self, audit: Audit = unheard) -> None:
        """`audit` is told of logins and logouts."""
        self._audit = audit

    def functions(self) -> Functions:
        """By name."""
        return {
            "set_session": self.set_session,
            "get_session": self.get_session,
            "open_session": self.open_session,
            "save_session": self.save_session,
            "delete_session": self.delete_session,
            "open_session_form": self.open_session_form,
            "delete_session_form": self.delete_session_form,
            "set_profile": self.set_profile,
            "get_profile": self.get_profile,
            "exist_profile": self.exist_profile,
            "delete_profile": self.delete_profile,
        }

    async def set_session(self, caller: Caller, arguments: list[Any]) -> None:
        """Keep one value."""
        given = Arguments("set_session(name, key, value)", arguments)
        await self._write(caller, _name(given), {given.text(1): given.value(2)})

    async def get_session(self, caller: Caller, arguments: list[Any]) -> str:
        """One value as text."""
        given = Arguments("get_session(name, key)", arguments)
        return value_as_text((await _read(caller, _name(given))).get(given.text(1)))

    async def open_session(self, caller: Caller, arguments: list[Any]) -> dict[str, Any]:
        """All values of one map."""
        return await _read(caller, _name(Arguments("open_session(name)", arguments)))

    async def save_session(self, caller: Caller, arguments: list[Any]) -> None:
        """Merge values into one map."""
        given = Arguments("save_session(name, values)", arguments)
        await self._write(caller, _name(given), given.object(1))

    async def delete_session(self, caller: Caller, arguments: list[Any]) -> None:
        """Remove one map. That of the profile: log out."""
        name = _name(Arguments("delete_session(name)", arguments))
        if name == PROFILE_MAP:
            await self.delete_profile(caller, [])
        await caller.session.delete(name)

    async def open_session_form(self, caller: Caller, arguments: list[Any]) -> dict[str, Any]:
        """What the form has: the run's payload, and what scripts keep in the map of forms themselves."""
        return await _read(caller, FORM_MAP)

    async def delete_session_form(self, caller: Caller, arguments: list[Any]) -> None:
        """Remove the map of forms."""
        await caller.session.delete(FORM_MAP)

    async def set_profile(self, caller: Caller, arguments: list[Any]) -> None:
        """Log in."""
        profile = Arguments("set_profile(profile)", arguments).object(0)
        if await log_in(caller.session, profile):
            self._audit(login_event(profile, caller.request, caller.wid))

    async def get_profile(self, caller: Caller, arguments: list[Any]) -> dict[str, Any]:
        """Who is logged in; an empty object for nobody, so `get_profile().name` is never an error (Go)."""
        return await profile_of(caller.session) or {}

    async def exist_profile(self, caller: Caller, arguments: list[Any]) -> bool:
        """Whether somebody is logged in."""
        return await profile_of(caller.session) is not None

    async def delete_profile(self, caller: Caller, arguments: list[Any]) -> None:
        """Log out."""
        if await log_out(caller.session):
            self._audit(login_event(None, caller.request, caller.wid))

    async def _write(self, caller: Caller, name: str, values: Mapping[str, Any]) -> None:
        if await _write(caller.session, name, values):
            profile = await profile_of(caller.session)
            self._audit(login_event(profile, caller.request, caller.wid))


def _name(given: Arguments) -> str:
    name = given.text(0)
    if name == suspended.MAP:
        raise CallRefused(f"the session {name} is kept by the runtime", name="RangeError")
    return name


async def _read(caller: Caller, name: str) -> dict[str, Any]:
    """One map. That of forms holds the payload, which Go copied there before each node (Go: main.go run)."""
    held = await caller.session.read(name)
    if name != FORM_MAP:
        return dict(held)
    payload = loads_from_script(caller.payload, "payload")
    fields = payload.items() if isinstance(payload, dict) else ()
    return {**{key: value for key, value in fields if key != "break"}, **held}


async def _write(session: SessionView, name: str, values: Mapping[str, Any]) -> bool:
    """Whether somebody else, or nobody, is logged in now."""
    other = False
    if name == PROFILE_MAP and PROFILE_KEY in values:
        before, after = _profile(await session.read(name)), _profile(values)
        if before is None and after is not None:
            other = True
            await session.rotate()
        elif before is not None and (after is None or _somebody_else(before, after)):
            other = await log_out(session)
    await session.write(name, values)
    return other


def _somebody_else(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a profile says another user, or other rights. What names neither is compared whole."""
    named = [{key: value for key, value in each.items() if key.lower() in _WHO} for each in (before, after)]
    return named[0] != named[1] if any(named) else before != after


def _profile(held: Mapping[str, Any]) -> dict[str, Any] | None:
    text = held.get(PROFILE_KEY)
    if not isinstance(text, str):
        return None
    try:
        profile = loads_from_script(text.encode("utf-8", "replace"), "profile")
    except BadDocument:
        return None
    return profile if isinstance(profile, dict) else None
