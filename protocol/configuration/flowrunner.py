"""Flowrunner's names: its `config.json` and its FLOWRUNNER_… variables, as keys of ours.

What has a counterpart is used as if it were written under our name. What has none yet is a warning where it differs
from Flowrunner's default, never an error, so that its files can be kept (Flowrunner: `config.go`). An empty text counts
as not written.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from protocol.configuration.gathered import Gathered, printable
from protocol.configuration.names import matching

PREFIX: Final = "FLOWRUNNER_"

NOT_YET: Final = "known to Flowrunner, not yet in force"
DEAD: Final = "does nothing, here as in Flowrunner"

_OURS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "server.host": ("server", "host"),
        "server.port": ("server", "port"),
        "server.tls.cert_file": ("server", "tls_cert"),
        "server.tls.key_file": ("server", "tls_key"),
        "auth.encryption_key": ("security", "encryption_key"),
        "logging.level": ("log", "level"),
        "logging.format": ("log", "format"),
        "logging.output": ("log", "output"),
        "logging.file_path": ("log", "output"),
    }
)
"""Flowrunner's key → ours."""

_DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "server.tls.enabled": False,
        "storage.type": "memory",
        "storage.dynamodb.region": "us-west-2",
        "storage.dynamodb.endpoint": "",
        "storage.dynamodb.table_prefix": "flowrunner_",
        "storage.postgres.host": "localhost",
        "storage.postgres.port": 5432,
        "storage.postgres.database": "flowrunner",
        "storage.postgres.user": "flowrunner",
        "storage.postgres.password": "",
        "storage.postgres.ssl_mode": "disable",
        "auth.jwt_secret": "",
        "auth.token_expiration": 24,
        "plugins.directory": "./plugins",
        "plugins.auto_load": True,
    }
)
"""Keys without a counterpart → Flowrunner's defaults."""

_KEYS: Final = (*_OURS, *_DEFAULTS)
_SECTIONS: Final = frozenset(key[:dot] for key in _KEYS for dot, sign in enumerate(key) if sign == ".")
_LEVELS: Final = MappingProxyType({"warning": "warn", "fatal": "error", "panic": "error", "trace": "debug"})

_VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{PREFIX}{name}": key
        for name, key in (
            ("SERVER_HOST", "server.host"),
            ("SERVER_PORT", "server.port"),
            ("LOG_LEVEL", "logging.level"),
            ("JWT_SECRET", "auth.jwt_secret"),
            ("TOKEN_EXPIRATION", "auth.token_expiration"),
            ("ENCRYPTION_KEY", "auth.encryption_key"),
            ("STORAGE_TYPE", "storage.type"),
            *((f"DYNAMODB_{key.upper()}", f"storage.dynamodb.{key}") for key in ("region", "endpoint", "table_prefix")),
            *(
                (f"POSTGRES_{key.upper()}", f"storage.postgres.{key}")
                for key in ("host", "port", "database", "user", "password", "ssl_mode")
            ),
        )
    }
)


def flowrunner_tree(found: Gathered, tree: Mapping[str, Any], origin: str) -> None:
    """Put Flowrunner's `config.json` into `found`."""
    written = dict(_leaves(found, tree, origin))
    enabled = written.get("server.tls.enabled") is True
    for key, value in written.items():
        if key.startswith("server.tls."):
            if enabled and key in _OURS:
                _put(found, key, value, origin)
        elif not (key == "logging.file_path" and written.get("logging.output") != "file"):
            _put(found, key, value, origin)


def take_flowrunner_variables(found: Gathered, env: Mapping[str, str]) -> None:
    """Put FLOWRUNNER_… over what was gathered."""
    for variable, value in sorted(env.items()):
        if not variable.startswith(PREFIX):
            continue
        key = _VARIABLES.get(variable)
        if key is None:
            found.complain(variable, "no variable of Flowrunner's; ignored", fatal=False)
        else:
            _put(found, key, value, variable)


def _leaves(found: Gathered, tree: Mapping[str, Any], origin: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        key = matching(f"{prefix}{name}", (*_SECTIONS, *_KEYS))
        if found.full:
            return
        if key is None:
            near = difflib.get_close_matches(printable(f"{prefix}{name}"), _KEYS, 1, 0.0)[0]
            found.complain(f"{prefix}{name}", f"unknown to Flowrunner; the nearest key it knows is {near}", origin)
        elif value is None:
            continue
        elif key not in _SECTIONS:
            yield key, value
        elif isinstance(value, dict):
            yield from _leaves(found, value, origin, f"{key}.")
        else:
            found.complain(key, "must be an object", origin)


def _put(found: Gathered, key: str, value: Any, origin: str) -> None:
    if value == "":
        return
    ours = _OURS.get(key)
    if ours is None:
        default = _DEFAULTS[key]
        if value != default and str(value) != str(default):
            found.complain(key, DEAD if key.startswith("plugins.") else NOT_YET, origin, fatal=False)
    elif not (key == "logging.output" and value == "file"):  # the file is in logging.file_path
        found.put(
            *ours, _LEVELS.get(value, value) if key == "logging.level" and isinstance(value, str) else value, origin
        )
