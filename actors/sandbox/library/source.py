"""The web library of scripts as one expression: a function that a realm calls to link it.

The expression is `(runtime) => {globals, modules}`, where `runtime` is an object of three functions: `send(name,
values)` (a promise of the runtime's answer), `local(name, values)` (a function of the sandbox process) and
`settle(value)` (told every object scripts can come by before they do: where runs share a realm, it freezes them). Both
results have getters: read a name when it is needed, not before. It is pure text: `sources.py` has it compiled with the
other rooms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
PARTS: Final = (
    "failures",
    "encodings",
    "kinds",
    "buffer",
    "numbers",
    "text",
    "clone",
    "host",
    "search",
    "url",
    "locator",
    "querystring",
    "path",
    "inspect",
    "format",
    "equality",
    "util",
    "crypto",
    "abort",
    "headers",
    "fetch",
)
"""Files beside this one, each an expression: a function of the parts it needs."""
GLOBALS: Final = frozenset(
    (
        "AbortController",
        "AbortSignal",
        "Buffer",
        "Headers",
        "Request",
        "Response",
        "TextDecoder",
        "TextEncoder",
        "URL",
        "URLSearchParams",
        "crypto",
        "fetch",
        "structuredClone",
    )
)
"""Names of the library's globals: a script that holds none of them, nor `require`, needs no library."""
MODULES: Final = frozenset(("buffer", "crypto", "path", "querystring", "url", "util"))
"""Names that `require` finds here."""


def library_source() -> str:
    """The expression to compile."""
    parts = ",\n".join(f"{name}: {(_HERE / f'{name}.js').read_text('utf-8')}" for name in PARTS)
    linker = (_HERE / "library.js").read_text("utf-8")
    return f"(function (runtime) {{ 'use strict'; return (\n{linker})(runtime, {{ __proto__: null,\n{parts} }}); }})"
