"""Scripts as a sandbox remembers them: the compiled form, and what their realm must give them.

Invariant: a compiled script is one function around the author's text, from which the text cannot break out: what closes
the function early does not compile. Nothing here runs a script. It talks to `vm.py` (to compile) and is kept by
`child/realms.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from actors.sandbox.child.names import Names
from actors.sandbox.child.orders import Order
from actors.sandbox.vm import Context
from protocol.codec import dumps, loads_from_script
from protocol.errors import BadFrame

_DECLARES: Final = re.compile(r"\b(?:var|let|const)\b[^;{}()]*?\b(?:next|payload)\b", re.ASCII)
"""`var next = …` outside of main is a global to Go's engine, but a local of our function."""


@dataclass(slots=True)
class Script:
    """One script, ready for any realm."""

    bytecode: bytes
    """Its value is a function that makes a new function of the text with each call."""
    install: tuple[Any, ...]
    """Arguments of the prelude's `install`, after the key."""
    rooms: tuple[str, ...]
    """What its realm must have been furnished with."""


def compile_script(order: Order, context: Context, names: Names) -> Script:
    """Compile what `order` brings. Raises CompileFailed, or BadFrame when it brings nothing."""
    if order.source is None or order.statics is None:
        raise BadFrame("a run of a script that was never sent")
    source: str = loads_from_script(order.source)
    statics: dict[str, Any] = loads_from_script(order.statics)
    reached = names.reach(source)
    publishes = order.entry == "main" and _DECLARES.search(source) is not None
    return Script(
        _bytecode(context, source, order.entry, publishes),
        (
            order.entry,
            ",".join(reached.names),
            publishes,
            reached.changes_vars,
            dumps(statics.get("nflow_data", {})).decode(),
            dumps(statics.get("__outputs", {})).decode(),
            str(statics.get("current_box", "")),
            str(statics.get("__flow_name", "")),
            str(statics.get("__flow_app", "")),
        ),
        reached.rooms,
    )


def _bytecode(context: Context, source: str, entry: str, publishes: bool) -> bytes:
    asynchronous = "async " if entry == "async" else ""

    def compiled(before: str, after: str) -> bytes:
        return context.compile(f"{before}\n\n{source}{after}", line=-1)  # the author's first line is line 1

    # Text that closes the function early and goes on must go on with `,` or `}` to fit a method, and with neither to
    # fit a declaration: what compiles as both closes nothing.
    compiled(f"{asynchronous}function script(){{", "\n}")
    compiled(f"({{{asynchronous}script(){{", "\n}})")
    end = {
        "main": "return[main(),()=>next,()=>payload]" if publishes else "return main()",
        "body": "if(typeof main==='function')return main()",
        "async": "if(typeof main==='function')return main()",
    }[entry]
    return compiled(f"(function(){{return {asynchronous}function(){{", f"\n;{end}}}}})")
