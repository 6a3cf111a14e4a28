"""Encrypts the sensitive values of an answer's body: in place, or beside the data.

In place each value becomes `[ENCRYPTED_<kind>:<ciphertext>]`: a value within a longer text just its own characters,
a field that is sensitive by its name its whole value. Where that is no text its JSON text is encrypted, under the kind
`json`, so that it decrypts to the same value, digit for digit. null and the empty text stay: they tell that there is
nothing. Beside the data (metadata), the body stays in clear and gets `_encrypted_fields`, a list of `{type, encrypted,
path, confidence}`, where the path is a JSON Pointer; what is no object becomes `{"_encrypted_fields", "data"}`.

Invariants: JSON stays JSON, all else of it byte for byte; what was encrypted already stays as it is; a body without
sensitive values comes back itself. Numbers stay, but for those in such fields: ids and times look like telephone
numbers. Linear in the body. Pure; talks to the detector and the keyring.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from actors.guards.encryption import Keyring
from actors.guards.json_text import STRING, pointers, string_value, unescaped, value_end, written
from actors.guards.sensitive import CERTAIN, JSON, Detector, Found
from protocol.codec import dumps, loads_from_script
from protocol.errors import BadDocument

Places = list[tuple[int, int]] | None
"""Where in a JSON text to look; None: everywhere."""
Media = Literal["json", "events", "lines", "text", "other"]

METADATA: Final = "_encrypted_fields"
TOKEN: Final = re.compile(
    r"\[ENCRYPTED_([A-Za-z0-9_.\-]{1,64}):((?:nf1:[A-Za-z0-9._\-]{1,32}:)?[A-Za-z0-9+/]{38,}+={0,2})\]"
)
"""A value encrypted in place: its kind and its ciphertext."""
_PLAIN: Final = {b"null", b'""'}
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_EVENTS: Final = "text/event-stream"
_LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"})
_TEXTS: Final = frozenset(
    {"application/xml", "application/javascript", "application/x-javascript", "application/ecmascript"}
    | {"application/x-www-form-urlencoded", "application/yaml", "application/x-yaml", "application/toml"}
    | {"application/csv", "application/graphql", "application/sql"}
)
_JSONP: Final = re.compile(rb"(\s*[\w$.]{1,200}\()(.*)(\)\s*;?\s*)", re.DOTALL)
"""JSON handed to a function (`c.JSONP`)."""
_CHARSETS: Final = ("utf", "iso8859", "cp", "koi8", "gb", "big5", "euc", "shift_jis", "mac")
"""Python knows stranger ones, and slow ones."""


class Taken(NamedTuple):
    """A body, and how many values in it were encrypted."""

    body: bytes
    values: int


def media(content_type: str) -> Media:
    """How a body of this type is read."""
    name = content_type.partition(";")[0].strip().lower()
    if name == "application/json" or name.endswith("+json"):
        return "json"
    if name == _EVENTS:
        return "events"
    if name in _LINES:
        return "lines"
    if not name or name.startswith("text/") or name.endswith("+xml") or name in _TEXTS:
        return "text"
    return "other"


def decrypted_tokens(keys: Keyring, text: str) -> str:
    """The text with every value that was encrypted in place as it was. Raises Undecipherable."""
    return TOKEN.sub(lambda token: keys.decrypt(token[2]), text)


class Interceptor:
    """Encrypts bodies. May be shared between threads."""

    __slots__ = ("_detector", "_in_place", "_keys")

    def __init__(self, keys: Keyring, detector: Detector, *, in_place: bool = True) -> None:
        self._keys = keys
        self._detector = detector
        self._in_place = in_place

    def body(self, content_type: str, body: bytes) -> Taken:
        """A whole body. What is neither text nor JSON passes as it is."""
        match media(content_type):
            case "json":
                return self._json(body, sure=True)
            case "events":
                return self.events(body)
            case "lines":
                return self.lines(body)
            case "text":
                if "script" in content_type.lower() and (call := _JSONP.fullmatch(body)) is not None:
                    head, value, tail = call.groups()
                    taken = self._text_or_json(value, _charset(content_type))
                    return Taken(head + taken.body + tail, taken.values)
                return self._text_or_json(body, _charset(content_type))
            case _:
                return self._json(body, sure=False) if body.lstrip()[:1] in (b"{", b"[") else Taken(body, 0)

    def lines(self, text: bytes) -> Taken:
        """Whole lines, each a JSON value."""
        return _each(text.splitlines(keepends=True), self._text_or_json)

    def events(self, text: bytes) -> Taken:
        """Whole server-sent events: the data of each is one text or JSON value, the other fields are texts."""
        pieces, values = [], 0
        lines: list[bytes] = []
        for line in _with_ends(text):
            lines.append(line)
            if not line.rstrip(b"\r\n"):
                piece = self._event(lines)
                pieces.append(piece.body)
                values += piece.values
                lines = []
        piece = self._event(lines)
        return (
            Taken(b"".join((*pieces, piece.body)), values + piece.values) if values + piece.values else Taken(text, 0)
        )

    def _event(self, lines: list[bytes]) -> Taken:
        data = [line for line in lines if line.startswith(b"data:") or line.rstrip(b"\r\n") == b"data"]
        whole = b"\n".join(line[5:].rstrip(b"\r\n").removeprefix(b" ") for line in data)
        taken = self._text_or_json(whole)
        rest = _each([line for line in lines if line not in data], self._text)
        if not taken.values and not rest.values:
            return Taken(b"".join(lines), 0)
        told = b"".join(b"data: " + line + b"\n" for line in taken.body.split(b"\n")) if data else b""
        fields, blank = rest.body, b""
        if lines and not lines[-1].rstrip(b"\r\n"):
            blank = lines[-1]
            fields = fields.removesuffix(blank)
        return Taken(fields + told + blank, taken.values + rest.values)

    # --- text ---

    def _text_or_json(self, body: bytes, charset: str = "utf-8") -> Taken:
        if body.lstrip()[:1] in (b"{", b"[", b'"'):
            try:
                loads_from_script(body)
            except BadDocument:
                pass
            else:
                return self._json(body, sure=True)
        return self._text(body, charset)

    def _text(self, body: bytes, charset: str = "utf-8") -> Taken:
        """A text, in place only: it has no room for metadata."""
        if not self._in_place:
            return Taken(body, 0)
        try:
            text = body.decode(charset)
        except (UnicodeDecodeError, LookupError):
            charset, text = "utf-8", body.decode("utf-8", "surrogateescape")
        found = list(self._found(text))
        if not found:
            return Taken(body, 0)
        return Taken(self._replaced(text, found).encode(charset, "surrogateescape"), len(found))

    def _found(self, text: str, *, api_key: bool = False) -> Iterator[Found]:
        """What is sensitive in a text, but for what was encrypted already."""
        start = 0
        for token in TOKEN.finditer(text) if "[ENCRYPTED_" in text else ():
            yield from _moved(self._detector.find(text[start : token.start()]), start)
            start = token.end()
            api_key = False
        yield from _moved(self._detector.find(text[start:] if start else text, api_key=api_key), start)

    def _replaced(self, text: str, found: list[Found]) -> str:
        pieces: list[str] = []
        end = 0
        for value in found:
            pieces += (text[end : value.start], self._token(value.kind, text[value.start : value.end]))
            end = value.end
        return "".join(pieces) + text[end:]

    def _token(self, kind: str, plain: str) -> str:
        return f"[ENCRYPTED_{kind}:{self._keys.encrypt(plain)}]"

    # --- JSON ---

    def _json(self, body: bytes, *, sure: bool) -> Taken:
        """A JSON text. `sure`: whatever it holds is text, so where it is no JSON after all it is read as text too."""
        text = body.decode("utf-8", "replace")
        if not self._detector.may_hold(unescaped(text)):
            return Taken(body, 0)
        valid = True
        try:
            loads_from_script(body)
        except BadDocument:
            valid = False
        if not valid and not sure:
            return Taken(body, 0)
        if not self._in_place:
            return self._beside(body, self._places(text)) if valid else Taken(body, 0)
        taken = self._in_json(body, self._places(text) if valid else None)
        if valid:
            return taken
        rest = self._text(taken.body)
        return Taken(rest.body, taken.values + rest.values)

    def _places(self, text: str) -> Places:
        """Where to look, in bytes."""
        places = self._detector.places(text)
        if places is None or text.isascii():
            return places
        found, at, behind = [], 0, 0
        for start, end in places:  # ascending starts, so each character is counted once
            at, behind = at + len(text[behind:start].encode()), start
            found.append((at, at + len(text[start:end].encode())))
        return found

    def _in_json(self, body: bytes, places: Places) -> Taken:
        pieces: list[bytes] = []
        end = values = 0
        for start, stop, text, found in self._values(body, places):
            if isinstance(found, str):
                said, count = b'"' + written(self._token(found, text)) + b'"', 1
            else:
                said, count = b'"' + written(self._replaced(text, found)) + b'"', len(found)
            pieces += (body[end:start], said)
            end, values = stop, values + count
        pieces.append(body[end:])
        return Taken(b"".join(pieces), values) if values else Taken(body, 0)

    def _beside(self, body: bytes, places: Places) -> Taken:
        told: list[tuple[int, str, str, float]] = []
        for start, _, text, found in self._values(body, places):
            if isinstance(found, str):
                told.append((start, found, text, CERTAIN))
            else:
                told += [(start, each.kind, text[each.start : each.end], each.confidence) for each in found]
        if not told:
            return Taken(body, 0)
        paths = pointers(body, [place for place, *_ in told])
        listed = dumps(
            [
                {"type": kind, "encrypted": self._keys.encrypt(plain), "path": path, "confidence": confidence}
                for (_, kind, plain, confidence), path in zip(told, paths, strict=True)
            ]
        )
        head = b'{"' + METADATA.encode() + b'":' + listed
        tail = body[len(body.rstrip()) :]
        if not body.lstrip().startswith(b"{") or _has_member(body, METADATA):
            return Taken(head + b',"data":' + body.strip() + b"}" + tail, len(told))
        return Taken(head + b"," + body.lstrip()[1:], len(told))  # it holds something, so it is not `{}`

    def _values(self, body: bytes, places: Places) -> Iterator[tuple[int, int, str, str | list[Found]]]:
        """Places of the text that hold something: their ends, the text that stands there, and what of it is sensitive:
        the name of the field, for all of it, or parts."""
        position, api_key, next_place = 0, False, 0
        while token := STRING.search(body, position):
            position = token.end()
            if places is not None:
                while next_place < len(places) and places[next_place][1] <= token.start():
                    next_place += 1
                if (next_place == len(places) or places[next_place][0] >= position) and b"\\" not in token[1]:
                    api_key = False
                    continue
            text = string_value(token[1])
            if token[2] is None:
                found = list(self._found(text, api_key=api_key))
                api_key = False
                if found:
                    yield token.start(), position, text, found
                continue
            opening = token.end(1) + 1
            found = list(self._found(text))
            if found:
                yield token.start(), opening, text, found
            name = self._detector.field(text)
            api_key = body[position : position + 1] == b'"' and self._detector.names_api_key(text)
            if name:
                value = self._field(body, position, name)
                if value is not None:
                    yield value
                position, api_key = value_end(body, position), False

    def _field(self, body: bytes, start: int, name: str) -> tuple[int, int, str, str | list[Found]] | None:
        """The value of a field that is sensitive whatever it holds; None: there is nothing, or it is encrypted."""
        end = value_end(body, start)
        value = body[start:end]
        if value in _PLAIN or end == start:
            return None
        text = string_value(value[1:-1]) if value.startswith(b'"') else ""
        if TOKEN.fullmatch(text):
            return None
        if text and name != JSON:
            return start, end, text, name
        return start, end, value.decode("utf-8", "replace"), JSON


def _moved(found: list[Found], by: int) -> list[Found]:
    return [value._replace(start=value.start + by, end=value.end + by) for value in found] if by else found


def _each(parts: list[bytes], change: Callable[[bytes], Taken]) -> Taken:
    taken = [change(part) for part in parts]
    return Taken(b"".join(each.body for each in taken), sum(each.values for each in taken))


def _with_ends(text: bytes) -> Iterator[bytes]:
    start = 0
    for end in _LINE_END.finditer(text):
        yield text[start : end.end()]
        start = end.end()
    if start < len(text):
        yield text[start:]


def _has_member(body: bytes, name: str) -> bool:
    value = loads_from_script(body)
    return isinstance(value, dict) and name in value


def _charset(content_type: str) -> str:
    """What the Content-Type says; UTF-8 where it says nothing that is known."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            try:
                known = codecs.lookup(value.strip().strip("\"'")).name
            except (LookupError, ValueError):
                break
            return known if known.startswith(_CHARSETS) else "utf-8"
    return "utf-8"
