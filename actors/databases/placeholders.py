"""Where the parameters of a statement are: one scanner that knows what is a quote or a comment on each server.

Parameters are written `$1`, `$2` … on every server; SQLite and MySQL also read `?`, one after the other, as their own
programs write it. What stands inside quotes and comments is never a parameter, and the text between parameters is never
changed. Where this scanner and a server could disagree about that, the statement is refused. Pure. It runs on the loop
over texts that scripts make, so its time is proportional to them: a quote that never ends is refused at once.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from protocol.errors import CallRefused

_WORD: Final = r"[A-Za-z0-9_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*"
_PLAIN: Final = r"'(?:[^']+|'')*+'"
_ESCAPED: Final = r"'(?:[^'\\]+|\\.|'')*+'"
_NAME: Final = r'"(?:[^"]+|"")*+"'
_NUMBERED: Final = r"\$(?P<number>[0-9]+)(?![A-Za-z0-9_$\u0080-\U0010ffff])"
_TAG: Final = r"(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?"
_NEST: Final = re.compile(r"/\*|\*/")
_MOST: Final = 65_535
"""Parameters a statement can have, on PostgreSQL; the others are not asked for more."""
_READING: Final = frozenset({"select", "values", "table", "show", "explain", "describe", "desc", "pragma"})
_WRITING: Final = frozenset({"insert", "update", "delete", "replace", "merge"})
_TRACELESS: Final = _READING | _WRITING | {"with", "truncate", "analyze"}
_TRACES: Final = re.compile(r"set_config|advisory_lock|get_lock|\btemp(?:orary)?\b|(?<!@)@\w+\s*:=|\binto\s+@", re.I)
_SETTING: Final = frozenset(
    {"set", "reset", "discard", "listen", "unlisten", "prepare", "execute", "deallocate", "load", "use"}
)
_TURNS: Final = frozenset({"begin", "start", "commit", "rollback", "end", "abort"})


class Dialect(Enum):
    """Whose quotes and comments; the value is a pattern of all that is skipped, and of parameters."""

    SQLITE = (
        rf"(?P<skip>{_PLAIN}|{_NAME}|`(?:[^`]+|``)*+`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z))"
        rf"|(?P<word>{_WORD})|{_NUMBERED}|\?(?P<other>[0-9]+)|(?P<next>\?)|(?P<open>['\"`\[])"
    )
    POSTGRES = (
        rf"(?P<skip>[eE]{_ESCAPED}|{_PLAIN}|{_NAME}|--[^\n\r]*"
        rf"|\$(?P<tag>{_TAG})\$.*?\$(?P=tag)\$)"
        rf"|(?P<nest>/\*)|(?P<word>{_WORD})|{_NUMBERED}|(?P<open>['\"]|\${_TAG}\$)"
    )
    MYSQL = (
        rf'(?P<skip>{_ESCAPED}|"(?:[^"\\]+|\\.|"")*+"|`(?:[^`]+|``)*+`|\#[^\n]*|--(?=[\x00-\x20]|\Z)[^\n]*'
        r"|/\*(?!M?!).*?(?:\*/|\Z))|(?P<code>/\*M?!)"
        rf"|(?P<word>{_WORD})|{_NUMBERED}|(?P<next>\?)|(?P<open>['\"`])"
    )
    MYSQL_ANSI = (
        rf"(?P<skip>{_ESCAPED}|{_NAME}|`(?:[^`]+|``)*+`|\#[^\n]*|--(?=[\x00-\x20]|\Z)[^\n]*"
        r"|/\*(?!M?!).*?(?:\*/|\Z))|(?P<code>/\*M?!)"
        rf"|(?P<word>{_WORD})|{_NUMBERED}|(?P<next>\?)|(?P<open>['\"`])"
    )


class Statement(NamedTuple):
    """A statement, taken apart."""

    pieces: tuple[str | int, ...]
    """Text as written, and between the texts the numbers of parameters, from 1."""
    parameters: int
    """The highest number."""
    words: tuple[str, ...]
    """Its words outside of quotes and comments, in lower case and order."""

    @property
    def word(self) -> str:
        """The first word: `select`, `insert` …; empty when there is none."""
        return self.words[0] if self.words else ""

    @property
    def reads(self) -> bool:
        """Whether it can be told to be one that only reads."""
        return self.word in _READING or (self.word == "with" and not _WRITING & set(self.words))

    @property
    def gives_rows(self) -> bool:
        """Whether one would ask for its rows."""
        return self.reads or "returning" in self.words

    @property
    def sets_session(self) -> bool:
        """Whether it is for the connection it runs on, beyond its transaction."""
        return self.word in _SETTING and self.words[1:2] not in (("local",), ("transaction",), ("constraints",))

    def check(self, given: int) -> None:
        """Raises CallRefused unless it takes this many values."""
        if self.parameters > given:
            raise CallRefused(f"the statement uses parameter ${self.parameters}, but {_values(given)} given")
        if self.parameters < given:
            plural = "" if self.parameters == 1 else "s"
            raise CallRefused(f"the statement has {self.parameters} parameter{plural}, but {_values(given)} given")


def statement(sql: str, dialect: Dialect) -> Statement:
    """Take a statement apart.

    Raises CallRefused for one that is empty, leaves a quote open, mixes both ways of writing parameters, or begins or
    ends a transaction: those are `transaction`'s.
    """
    if "\0" in sql:
        raise CallRefused("the SQL holds the character U+0000")
    scan = _Scan(sql, dialect)
    if not scan.words:
        raise CallRefused("the SQL is empty")
    if scan.words[0] in _TURNS and "to" not in scan.words[1:4]:
        raise CallRefused("a transaction is begun and ended by db.transaction, not by SQL")
    return Statement(tuple(scan.pieces), scan.highest, tuple(scan.words))


def split(script: str, dialect: Dialect) -> list[str]:
    """The statements of a script, which are separated by semicolons outside of quotes and comments."""
    parts, start = [], 0
    for place in _Scan(script, dialect).semicolons:
        parts.append(script[start:place])
        start = place + 1
    parts.append(script[start:])
    return [part for part in map(str.strip, parts) if part and _Scan(part, dialect).words]


def leaves_traces(sql: str, read: Statement) -> bool:
    """Whether it may change the connection for those who use it next, as `SET` does: then there must be no next."""
    return read.word not in _TRACELESS or _TRACES.search(sql) is not None


def without_values(sql: str, dialect: Dialect) -> str:
    """The statement with `?` for every value that is written into it, and without its comments."""
    pieces, place = [], 0
    for found in re.compile(dialect.value, re.DOTALL).finditer(sql):
        if found.start() < place:  # inside of a comment
            continue
        pieces.append(sql[place : found.start()])
        place, text = found.end(), found.group()
        if found.lastgroup == "nest":
            place = _end_of_nest(sql, place)
        elif found.lastgroup == "open":  # what follows may be a value
            return "".join((*pieces, "?"))
        elif found["skip"] is None:
            pieces.append("?" if found["word"] and text[0].isdecimal() else text)
        elif not text.startswith(("--", "#", "/*")):
            is_name = text[0] in "`[" or (text[0] == '"' and dialect is not Dialect.MYSQL)
            pieces.append(text if is_name else "?")
    return "".join((*pieces, sql[place:]))


class _Scan:
    """One walk over a text."""

    def __init__(self, sql: str, dialect: Dialect) -> None:
        self.pieces: list[str | int] = []
        self.words: list[str] = []
        self.semicolons: list[int] = []
        self.highest = 0
        self._sql = sql
        self._copied = 0
        self._numbered = False
        self._next = 0
        self._code = False
        self._walk(re.compile(dialect.value + r"|(?P<semicolon>;)", re.DOTALL))
        if self._code and self.highest:
            raise CallRefused("a statement with /*! comments takes no parameters")
        self.pieces.append(sql[self._copied :])

    def _walk(self, pattern: re.Pattern[str]) -> None:
        place = 0
        while (found := pattern.search(self._sql, place)) is not None:
            place = found.end()
            match found.lastgroup:
                case "word":
                    self.words.append(found.group().lower())
                case "number" | "other":
                    digits = found.group(found.lastgroup).lstrip("0")[:6]  # six are too many, however they go on
                    self._parameter(found, int(digits or "0"), numbered=True)
                case "next":
                    self._next += 1
                    self._parameter(found, self._next, numbered=False)
                case "nest":
                    place = _end_of_nest(self._sql, place)
                case "code":
                    self._code = True
                case "semicolon":
                    self.semicolons.append(found.start())
                case "open":
                    raise CallRefused(f"the SQL opens a quote that it does not close: {found.group()}")
                case _:
                    pass

    def _parameter(self, found: re.Match[str], number: int, *, numbered: bool) -> None:
        if self.highest and numbered != self._numbered:
            raise CallRefused("the SQL mixes parameters written $1 with parameters written ?")
        if not 1 <= number <= _MOST:
            raise CallRefused(f"the SQL has a parameter {found.group()}: they are numbered from $1 to ${_MOST}")
        self._numbered = numbered
        self.highest = max(self.highest, number)
        self.pieces += (self._sql[self._copied : found.start()], number)
        self._copied = found.end()


def _end_of_nest(sql: str, place: int) -> int:
    """PostgreSQL's comments may hold comments."""
    depth = 1
    for found in _NEST.finditer(sql, place):
        depth += 1 if found.group() == "/*" else -1
        if not depth:
            return found.end()
    return len(sql)


def _values(given: int) -> str:
    return "1 value was" if given == 1 else f"{given} values were"
