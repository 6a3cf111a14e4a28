"""The triggers of every app, judged: `auth.js`, `log.js`, and what `default_js` defines of them.

They are scripts like those of nodes, but of no flow; so the keeper has them looked through whenever it puts the flows
together. What has not changed is not asked for again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from actors.catalogue.live import Triggers
from actors.guards.analysis.inspector import Verdict
from actors.guards.analysis.ledger import ScriptPlace
from protocol.errors import Problem

DEFAULT_JS = "default_js"
Judge = Callable[[str, ScriptPlace], Awaitable[Verdict]]


class JudgedTriggers:
    """What was said of the triggers as they are now."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._verdicts: dict[ScriptPlace, tuple[str, Verdict]] = {}

    async def of(
        self, files: Triggers, defaults: Mapping[str, str]
    ) -> tuple[Triggers, dict[str, Triggers], list[Problem]]:
        """The triggers of the files, those of each app, and what is to be told. `defaults`: app → its `default_js`."""
        verdicts: dict[ScriptPlace, tuple[str, Verdict]] = {}

        async def verdict(text: str, place: ScriptPlace) -> Verdict | None:
            if not text:
                return None
            known = self._verdicts.get(place)
            if known is None or known[0] != text:
                known = text, await self._judge(text, place)
            verdicts[place] = known
            return known[1]

        auth = await verdict(files.auth, ScriptPlace("", "", "auth", "triggers/auth.js"))
        log = await verdict(files.log, ScriptPlace("", "", "log", "triggers/log.js"))
        judged = replace(
            files, auth_blocked=auth.refuse if auth is not None else None, log_blocked=log.refuse if log else None
        )
        of_apps: dict[str, Triggers] = {}
        for app, text in defaults.items():
            chosen = Triggers.of(judged, text)
            if (chosen.auth == text or chosen.log == text) and text:
                said = await verdict(text, ScriptPlace(app, "", "", f"{app}.{DEFAULT_JS}"))
                if said is not None and said.refuse is not None:
                    chosen = replace(
                        chosen,
                        auth_blocked=chosen.auth_blocked if judged.auth else said.refuse,
                        log_blocked=chosen.log_blocked if judged.log else said.refuse,
                    )
            of_apps[app] = chosen
        self._verdicts = verdicts
        return judged, of_apps, [issue for _, said in verdicts.values() for issue in said.issues]
