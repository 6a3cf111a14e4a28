"""Functions of scripts that need nothing of the runtime: done here, in the sandbox process, without a host call.

Each takes the call's values, JSON of a script's making, and returns a JSON value; what it raises is thrown into the
script. Invariant: none opens a file or imports anything, which would end the confined process: `warm` has used every
digest before the fork. They work on the script's clock, and the parent's deadline is behind them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.templates.templates import Templates
from protocol.errors import CallRefused

MAX_RANDOM: Final = 65_536
"""Bytes of one call."""
_ALGORITHMS: Final = {
    "md5": "md5",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha512224": "sha512_224",
    "sha512256": "sha512_256",
    "sha3224": "sha3_224",
    "sha3256": "sha3_256",
    "sha3384": "sha3_384",
    "sha3512": "sha3_512",
}
"""Names as scripts give them (any case, without `-`, `_` and `/`) to names of hashlib."""

LocalFunctions = Mapping[str, Callable[[list[Any]], Any]]


def local_functions() -> LocalFunctions:
    """All of them, by the name the script's call carries."""
    templates = Templates()
    return {
        "template": lambda values: templates.go(_text(values, 0), _at(values, 1)),
        "mustache": lambda values: templates.mustache(_text(values, 0), _at(values, 1)),
        "crypto.hash": _hash,
        "crypto.hmac": _hmac,
        "crypto.random": _random,
        "uuid": _uuid,
    }


def warm(functions: LocalFunctions) -> None:
    """Use what loads its parts at first use. Call it before the process is confined, and before it forks."""
    nothing = base64.b64encode(b"").decode()
    for algorithm in _ALGORITHMS:
        functions["crypto.hash"]([algorithm, nothing])
        functions["crypto.hmac"]([algorithm, nothing, nothing])
    functions["template"](['<a href="{{.u}}">{{range .l}}{{printf "%v" .}}{{end}}</a>', {"u": "/?é", "l": [1.5, None]}])
    functions["mustache"](["{{a}}{{#l}}{{.}}{{/l}}", {"a": 1, "l": [1.5]}])


def _hash(values: list[Any]) -> str:
    return _encoded(hashlib.new(_algorithm(values), _bytes(values, 1), usedforsecurity=False).digest())


def _hmac(values: list[Any]) -> str:
    return _encoded(hmac.digest(_bytes(values, 1), _bytes(values, 2), _algorithm(values)))


def _random(values: list[Any]) -> str:
    size = _at(values, 0)
    if type(size) is not int or not 0 <= size <= MAX_RANDOM:
        raise CallRefused(f"random bytes: from 0 to {MAX_RANDOM} of them", name="RangeError")
    return _encoded(os.urandom(size))


def _uuid(_values: list[Any]) -> str:
    """A random UUID (version 4)."""
    number = int.from_bytes(os.urandom(16)) & ~(0xF << 76) & ~(0x3 << 62) | 4 << 76 | 2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _text(values: list[Any], place: int) -> str:
    value = _at(values, place)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CallRefused("a template is a text", name="TypeError")
    return value


def _bytes(values: list[Any], place: int) -> bytes:
    value = _at(values, place)
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise CallRefused("data is bytes, as base64", name="TypeError")


def _algorithm(values: list[Any]) -> str:
    given = _at(values, 0)
    if isinstance(given, str):
        name = _ALGORITHMS.get(given.lower().replace("-", "").replace("_", "").replace("/", ""))
        if name is not None:
            return name
    raise CallRefused(f"there is no digest {str(given)[:40]}: there are {', '.join(_ALGORITHMS)}")


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
