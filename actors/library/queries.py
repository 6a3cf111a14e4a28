"""nFlow's named queries: which text is asked, and the texts for a database in nFlow's own layout (Go: init.sql).

A row of the `queries` table counts before the configuration, the configuration before the built-in text. A row or key
without text counts as not there. Columns are qualified where a bare name is a reserved word of MySQL (`mod`). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

LOG_COLUMNS: Final = (
    "log_id", "box_id", "box_name", "box_type", "url", "username", "connection_next", "duration", "order_box",
    "payload", "ip", "real_ip", "user_agent", "query_param", "hostname", "host",
)  # fmt: skip
"""The sixteen values of QueryInsertLog in order; `created` is the database's own."""

DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "QueryGetApp": "SELECT json, default_js FROM nflow WHERE name = $1 ORDER BY id",
        "QueryGetModuleByName": (
            "SELECT modules.form, modules.mod, modules.code FROM modules WHERE name = $1 ORDER BY id"
        ),
        "QueryGetTemplate": "SELECT id, name, content FROM template WHERE name = $1 ORDER BY id",
        "QueryGetUser": "SELECT id, username, password, rol, active FROM users WHERE username = $1 ORDER BY id",
        "QueryGetToken": (
            "SELECT id, name, token, start, expired, active, header, token_type FROM api_tokens WHERE name = $1 "
            "ORDER BY id"
        ),
        "QueryInsertLog": (
            "INSERT INTO tracker (log_id, box_id, box_name, box_type, url, username, connection_next, duration, "
            "order_box, payload, ip, real_ip, user_agent, query_param, hostname, host) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        ),
    }
)
"""The queries the runtime uses; the others of nFlow's are the designer's."""

_BLANKS: Final = re.compile(r"\s+")
_AROUND: Final = re.compile(r"\s*([(),;=])\s*")
_QUOTES: Final = re.compile(r"[\"`]")


class NamedQueries:
    """The texts in force."""

    __slots__ = ("_texts",)

    def __init__(self, configured: Mapping[str, str], rows: Iterable[tuple[Any, ...]] = ()) -> None:
        """`rows`: (name, text) of the `queries` table."""
        texts = dict(DEFAULTS)
        texts.update({name: text.strip() for name, text in configured.items() if name in texts and text.strip()})
        for row in rows:
            if len(row) >= 2 and row[0] in texts and isinstance(row[1], str) and row[1].strip():
                texts[row[0]] = row[1].strip()
        self._texts = texts

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def is_default(self, name: str) -> bool:
        """Whether the text says what the built-in one says, but for case, blanks, quotes and order."""
        return _plain(self._texts[name]) == _plain(DEFAULTS[name])


def _plain(text: str) -> str:
    text = _QUOTES.sub("", _BLANKS.sub(" ", text)).strip().removesuffix(";").lower()
    return _AROUND.sub(r"\1", text).replace("modules.", "").removesuffix(" order by id").strip()
