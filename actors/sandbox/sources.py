"""The JavaScript of a sandbox as expressions to compile: the prelude that every realm has, and its rooms.

A room is linked into a realm when a script first reaches one of its names (`child/names.py`), so that a realm costs
only what its scripts use. Each expression is a function; what it takes is said in its file. Pure text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from actors.sandbox.library.source import library_source

SLOT: Final = "__nflow"
"""Name of the global property that values of the C interface pass through on their way to the prelude."""
_HERE: Final = Path(__file__).parent
_PRELUDE: Final = ("prelude/prelude", "prelude/gojson", "prelude/loop", "prelude/variables")
_CONTEXT: Final = ("cookies", "request", "answer")
_SELDOM: Final = {"xml": "context/xml", "manual": "context/manual"}
"""Parts of `c` that are loaded when a run asks for them: a realm of one run pays for all it reads."""
_ROOMS: Final = ("functions", "rules", "timers", "http", "database")


def sources() -> dict[str, str]:
    """Every expression, by its name: `prelude`, the seldom parts of `c`, and the rooms."""
    rooms = {name: _text(f"surface/{name}") for name in _ROOMS}
    library = f"(function (parts) {{ return (\n{_text('surface/modules')})(parts, {library_source()}); }})"
    seldom = {part: _text(name) for part, name in _SELDOM.items()}
    return {"prelude": _prelude_source(), **seldom, **rooms, "library": library}


def _prelude_source() -> str:
    """A function to link a realm with: it takes the realm's mode and limits, and the calls from the slot."""
    parts = ", ".join(_text(name) for name in _PRELUDE)
    return (
        "(function (...given) {"
        f" const host = globalThis.{SLOT}; delete globalThis.{SLOT};"
        f" return (\n{_text('prelude/playbook')})(host, ...given, {parts}, {_context_source()}); }})"
    )


def _context_source() -> str:
    """`c`, of its files: an expression that takes what `context.js` takes after its parts."""
    parts = ", ".join(f"{part}: {_text(f'context/{part}')}" for part in _CONTEXT)
    seldom = ", ".join(f"{part}: seldom('{part}')" for part in _SELDOM)
    return f"(seldom, ...given) => (\n{_text('context/context')})({{ {parts}, {seldom} }}, ...given)"


def _text(name: str) -> str:
    return (_HERE / f"{name}.js").read_text("utf-8")
