"""May this instance be sent requests? Asked of its parts, and told in both manuals' shapes.

A part that requests need and that does not work makes the answer 503; one they can do without makes it `degraded` and
no more. Invariants: all parts are asked at once, each for `CHECK_SECONDS` at most, and servers not more than once a
second however often somebody asks; an answer names no address and no text of an error, the log has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import structlog

from protocol.errors import Overloaded, Refusal

CHECK_SECONDS: Final = 0.8
"""Less than the second an orchestrator waits by default."""
KEPT_SECONDS: Final = 1.0


class Finding(NamedTuple):
    """How a part is."""

    status: Literal["healthy", "warning", "unhealthy"]
    message: str = ""


WELL: Final = Finding("healthy")
_WORDS: Final = {"healthy": "ok", "warning": "warning", "unhealthy": "failed"}
"""What the English manual's `checks` say."""


class Check(NamedTuple):
    """One part that can be asked."""

    name: str
    look: Callable[[], Awaitable[Finding]]
    """Raises a Refusal when the part is out of reach."""
    needed: bool
    """Whether requests need it."""
    far: bool = False
    """It asks a thread or a server, so what it found is kept for a second."""


class Health:
    """What is known of the parts."""

    def __init__(
        self,
        checks: Sequence[Check],
        opened: Callable[[], bool],
        wall: Callable[[], float],
        started_at: float,
        version: str,
        details: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """`opened`: whether requests are let in now. `details`: more numbers, for `monitor.enable_detailed_metrics`."""
        self._checks = tuple(checks)
        self._opened = opened
        self._wall = wall
        self._started_at = started_at
        self._version = version
        self._details = details
        self._far: dict[str, Finding] = {}
        self._looked_at = float("-inf")
        self._status: dict[str, str] = {}
        """What the log knows of each part that was well once."""
        self._turn = asyncio.Lock()
        self._log = structlog.get_logger("health")

    async def report(self) -> tuple[int, dict[str, Any]]:
        """(HTTP status, body) of the health page."""
        found = await self._look()
        opened = self._opened()
        well = opened and all(each.status != "unhealthy" for each in found.values())
        body: dict[str, Any] = {
            "status": "healthy" if well else "degraded",
            "timestamp": int(self._wall()),
            "uptime": go_duration(self._wall() - self._started_at),
            "version": self._version,
            "components": {
                name: {"status": each.status, **({"message": each.message} if each.message else {})}
                for name, each in found.items()
            },
            "checks": {name: _WORDS[each.status] for name, each in found.items()},
        }
        if self._details is not None:
            body["details"] = self._details()
        return (200 if opened and not self._hindrance(found) else 503), body

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Whether requests can be taken now."""
        hindrance = "it is starting or stopping" if not self._opened() else self._hindrance(await self._look())
        return (503, {"status": "not ready", "reason": hindrance}) if hindrance else (200, {"status": "ready"})

    def live(self) -> tuple[int, dict[str, Any]]:
        """That this is answered is the answer: the event loop runs."""
        uptime = go_duration(self._wall() - self._started_at)
        return 200, {"status": "alive", "uptime": uptime}

    def _hindrance(self, found: Mapping[str, Finding]) -> str:
        """What keeps requests from being served; empty: nothing."""
        return ", ".join(
            f"{check.name}: {found[check.name].message}"
            for check in self._checks
            if check.needed and found[check.name].status == "unhealthy"
        )

    async def _look(self) -> Mapping[str, Finding]:
        """Ask, unless it was asked a moment ago. One asks for all: the others wait for what it finds."""
        async with self._turn:
            now = asyncio.get_running_loop().time
            if now() - self._looked_at >= KEPT_SECONDS:
                far = [check for check in self._checks if check.far]
                found = await asyncio.gather(*map(self._ask, far))
                self._far = {check.name: each for check, each in zip(far, found, strict=True)}
                self._looked_at = now()
        return {check.name: self._far[check.name] if check.far else await self._ask(check) for check in self._checks}

    async def _ask(self, check: Check) -> Finding:
        reason = ""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                finding = await check.look()
        except TimeoutError:
            finding = Finding("unhealthy", f"it did not answer within {CHECK_SECONDS:g} s")
        except Overloaded as error:
            finding, reason = Finding("warning", "it is busy"), str(error)
        except Refusal as error:
            finding, reason = Finding("unhealthy", "it is out of reach"), str(error)
        except Exception:
            self._log.exception("a check failed", component=check.name)
            finding = Finding("unhealthy", "the check failed")
        self._tell(check, finding, reason)
        return finding

    def _tell(self, check: Check, finding: Finding, reason: str) -> None:
        """One line when a part turns, however often it is asked."""
        before = self._status.get(check.name)
        if before == finding.status or (before is None and finding.status != "healthy"):  # it may be starting
            return
        self._status[check.name] = finding.status
        if before is None:
            return
        level = "info" if finding.status == "healthy" else "warning"
        more = {"reason": reason} if reason else {}
        getattr(self._log, level)(
            "component", component=check.name, status=finding.status, message=finding.message, needed=check.needed,
            **more,
        )  # fmt: skip


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, to the hundredth: `1h2m3.25s`."""
    whole = round(seconds, 2)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest:.2f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours:.0f}h{minutes:.0f}m{text}"
    return f"{minutes:.0f}m{text}" if minutes else text
