"""JavaScript text in, syntax tree out. The owner of tree-sitter.

Its traps, and what is done about them. It recurses in C, once for each level of nesting (`{a:` 87 000 times overflows
8 MiB and ends the process): all but short texts are parsed on a thread with a stack for the deepest text of MAX_BYTES.
It is quadratic in some texts (`while(1) await ` 17 000 times: three minutes): these have a deadline, which it keeps
only while it is fed by a function, which must give it copies. `Node.parent` and siblings search from the root: nothing
here asks for them. A node's text is bytes and its positions count bytes. Texts need not be whole: what cannot be read
is an `ERROR` node, and a `return` or `await` outside of a function is read as what it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import tree_sitter
import tree_sitter_javascript

Node = tree_sitter.Node
Cursor = tree_sitter.TreeCursor

MAX_BYTES: Final = 256 << 10
"""Longer texts are not parsed."""
PARSE_SECONDS: Final = 2.0
"""Ordinary code of MAX_BYTES takes a thirtieth of it."""
_SHALLOW_BYTES: Final = 4 << 10
"""Texts that cannot nest deeply enough to need more than an ordinary stack."""
_STACK_BYTES: Final = 256 << 20
"""Address space, of which only what is touched costs memory: 1 KiB for each byte of the longest text."""
_CHUNK_BYTES: Final = 8 << 10
_NAME_BYTES: Final = 64
"""Few nodes whose text is asked for are longer."""
_LANGUAGE: Final = tree_sitter.Language(tree_sitter_javascript.language())


def encode(source: str) -> bytes:
    """The bytes that are parsed: one `?` for each half of a surrogate pair, so characters can still be counted."""
    return source.encode("utf-8", "replace")


def parse(text: bytes) -> Node | None:
    """The root of the tree; None when it takes longer than PARSE_SECONDS, or there is no room. At most MAX_BYTES."""
    if len(text) <= _SHALLOW_BYTES:
        return tree_sitter.Parser(_LANGUAGE).parse(text).root_node
    parsed: list[Node] = []
    thread = threading.Thread(target=lambda: parsed.extend(_within_time(text)), name="parse-javascript")
    before = threading.stack_size(_STACK_BYTES)
    try:
        thread.start()
    except RuntimeError:  # no room for such a stack
        return None
    finally:
        threading.stack_size(before)
    thread.join()
    return parsed[0] if parsed else None


class _Feed:
    """What the parser reads from, and later every node its text: in copies, since it does not hold what it is given."""

    __slots__ = ("most", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.most = _CHUNK_BYTES

    def __call__(self, offset: int, _point: object) -> bytes:
        return self.text[offset : offset + self.most]


def _within_time(text: bytes) -> Iterator[Node]:
    """The root, if it is ready in time."""
    deadline = time.monotonic() + PARSE_SECONDS

    def late(_offset: int, _failed: bool) -> bool:
        return time.monotonic() > deadline

    feed = _Feed(text)
    with suppress(ValueError):  # how it says that it was stopped
        yield tree_sitter.Parser(_LANGUAGE).parse(feed, progress_callback=late).root_node
    feed.most = _NAME_BYTES


def written(node: Node) -> str:
    """A node's text."""
    return (node.text or b"").decode("utf-8", "replace")


def name_of(node: Node) -> str:
    """The name an identifier stands for, its escapes read (`ev\\u0061l` is eval)."""
    text = written(node)
    return unescape(text) if "\\" in text else text


def unescape(text: str) -> str:
    """The inside of a string, template or identifier with its escapes read. What is no escape stays."""
    pieces = text.split("\\")
    read = [pieces[0]]
    skip = False
    for piece in pieces[1:]:
        if skip:  # behind an escaped backslash
            read.append(piece)
            skip = False
        elif not piece:
            read.append("\\")
            skip = True
        else:
            read.append(_escape(piece))
    return "".join(read)


_SINGLE: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def _escape(piece: str) -> str:
    """`piece` begins behind the backslash."""
    numbered = _number(piece)
    if numbered is None:
        return _SINGLE.get(piece[0], piece[0]) + piece[1:]
    digits, rest = numbered
    try:
        return chr(int(digits, 16)) + rest
    except (ValueError, OverflowError):
        return piece


def _number(piece: str) -> tuple[str, str] | None:
    """The hexadecimal digits of an escape by number, and what follows; None for other escapes."""
    if piece.startswith("u{"):
        digits, _, rest = piece[2:].partition("}")
        return digits[:8], rest
    if piece[0] == "u":
        return piece[1:5], piece[5:]
    return (piece[1:3], piece[3:]) if piece[0] == "x" else None
