"""A CPU profile of the server: what the event loop's thread does for some seconds, by a sampling profiler.

The owner of `pyinstrument`, which is loaded when it is first asked for. Sampling slows what it watches, for
as long as it runs. Scripts run in processes of their own and are no part of it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

_INTERVAL_SECONDS: Final = 0.001
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final = (("Content-Security-Policy", _POLICY), ("X-Content-Type-Options", "nosniff"))
"""The page holds its own script and style, and asks nobody for more."""


async def cpu_profile(seconds: float, form: str) -> str:
    """Watch for so long. `form`: `html` (a flame graph and a tree), `speedscope` (JSON), `text`."""
    from pyinstrument import Profiler

    profiler = Profiler(_INTERVAL_SECONDS, async_mode="disabled")
    profiler.start(target_description="nflow")
    try:
        await asyncio.sleep(seconds)
    finally:
        session = profiler.stop()
    return await asyncio.to_thread(_rendered, session, form)


def _rendered(session: Any, form: str) -> str:
    from pyinstrument.renderers import ConsoleRenderer, HTMLRenderer, SpeedscopeRenderer

    match form:
        case "speedscope":
            return str(SpeedscopeRenderer(show_all=True).render(session))
        case "text":
            return ConsoleRenderer(show_all=True, unicode=True, color=False).render(session)
        case _:
            return str(HTMLRenderer(show_all=True).render(session))
