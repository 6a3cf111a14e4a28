"""The fields of what a sandbox sends, read one by one: each is of its type, or BadFrame. Pure."""

from __future__ import annotations

from typing import Any

from protocol.codec import loads_from_script
from protocol.errors import BadDocument, BadFrame
from protocol.headers import is_header

Pairs = tuple[tuple[str, str], ...]


def read_json(text: bytes) -> Any:
    """The JSON value of a segment. Raises BadFrame."""
    try:
        return loads_from_script(text, "frame")
    except BadDocument as error:
        raise BadFrame(str(error)) from None


def read_object(text: bytes) -> dict[str, Any]:
    """The JSON object of a segment. Raises BadFrame."""
    value = read_json(text)
    if type(value) is not dict:
        raise BadFrame("the head of a frame is not an object")
    return value


def read_int(head: dict[str, Any], name: str) -> int:
    """A number of the protocol: whole, and not negative. Raises BadFrame."""
    value = head.get(name)
    if type(value) is not int or value < 0:
        raise BadFrame(f"{name} is not a number of the protocol")
    return value


def read_str(head: dict[str, Any], name: str) -> str:
    """A text. Raises BadFrame."""
    value = head.get(name)
    if type(value) is not str:
        raise BadFrame(f"{name} is not a string")
    return value


def read_seconds(head: dict[str, Any]) -> float:
    """CPU seconds. Raises BadFrame."""
    value = head.get("cpu")
    if not isinstance(value, float | int) or value < 0:
        raise BadFrame("cpu is not a number of seconds")
    return float(value)


def read_pairs(value: Any, check: Any = None) -> Pairs:
    """A list of pairs of texts, none where there is no list; `check` is asked about each. Raises BadFrame."""
    if value is None:
        return ()
    if type(value) is not list:
        raise BadFrame("not a list of pairs")
    pairs = []
    for pair in value:
        if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
            raise BadFrame("not a pair of strings")
        if check is not None:
            check(pair[0], pair[1])
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


def check_header(name: str, value: str) -> None:
    """Raise BadFrame for a header line that HTTP does not allow."""
    if not is_header(name, value):
        raise BadFrame("a header line that HTTP does not allow")
