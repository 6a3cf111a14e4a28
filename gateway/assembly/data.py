"""Where data lives, made from settings: the store, the libraries, the database of scripts, the sessions.

Each has an owner among `keepers`, in the order they start. Raises BadDocument with the key's path for what cannot be.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from actors.databases.connection import DatabaseOptions, make_database
from actors.databases.database import Database
from actors.databases.pooled import PooledDatabase
from actors.databases.slow import SlowStatements
from actors.functions.database import DatabaseFunctions
from actors.functions.files import FileFunctions, FileSettings
from actors.functions.programs import ProgramFunctions, ProgramSettings
from actors.functions.security import SecurityFunctions
from actors.functions.sessions import SessionFunctions
from actors.functions.templates import Templates
from actors.functions.users import Users
from actors.guards.encryption import Keyring
from actors.kernel import ChildSpec
from actors.library.library import Library
from actors.library.own_library import OwnLibrary
from actors.library.queries import DEFAULTS
from actors.library.sql_library import SqlLibrary
from actors.library.tracker_table import TrackerTable
from actors.nodes.database import DatabaseNode
from actors.reach.keeper import kept
from actors.reach.redis_client import RedisDoor
from actors.sessions.cookie import CookieSettings, cookie_keys
from actors.sessions.session import SessionSettings
from actors.sessions.sessions import SessionKeeper, Sessions
from actors.sessions.stores.memory import MemoryCaps, MemorySessions
from actors.sessions.stores.postgres import PostgresSessions
from actors.sessions.stores.redis import RedisSessions
from actors.sessions.stores.store import SessionStore
from actors.sessions.view import RunSession
from actors.stores.sqlite import SqliteSettings
from actors.stores.sqlite_store import SqliteStore
from actors.tree import PATIENT
from gateway.assembly.encryption import EncryptionParts
from protocol.errors import BadDocument, NodeError, Problem
from protocol.observation.auditing import Audit, unheard
from protocol.settings import Settings

DAY_SECONDS = 86_400


class Data:
    """The stores of one runtime."""

    def __init__(
        self, settings: Settings, redis: RedisDoor, encryption: EncryptionParts, audit: Audit = unheard
    ) -> None:
        store, keys = settings.store, encryption.keys
        self.slow = slow = _slow(settings)
        self.store = SqliteStore(SqliteSettings(store.path, store.synchronous, keys=keys), slow=slow)
        library = make_database("sqlite3", store.path, DatabaseOptions(slow=slow, name="library"))
        self.own = OwnLibrary(library, settings.flows.versions)
        self.outside = _outside(settings, slow)
        self.library: Library = self.outside or self.own
        self.templates = Templates(self.library, _folder(settings.files.templates, "NFLOW_TEMPLATE_PATH"))
        self.triggers = _folder(settings.files.triggers, "NFLOE_TRIGGERS_FOLD")
        self.scripts, owned = _scripts(settings, self.outside, slow)
        self.sessions = Sessions(
            _sessions(settings, redis, slow, keys), SessionSettings(max_kb=settings.session.max_kb)
        )
        self.session: Callable[[str], RunSession] = partial(RunSession, self.sessions)
        files = settings.files
        allowed = settings.vm_pool.enable_filesystem
        self._files = FileFunctions(FileSettings(allowed, files.root, files.max_kb << 10))
        self._max_rows = settings.database.max_rows
        self.databases = _pools(
            nflow=self.outside.database if self.outside is not None else None,
            library=self.own.database,
            scripts=owned,
            sessions=getattr(self.sessions.store, "database", None),
        )
        self.keepers = (
            kept("own-library", self.own),
            *((kept("nflow-library", self.outside),) if self.outside is not None else ()),
            *((kept("database", owned),) if owned is not None else ()),
        )
        self.services = (
            ChildSpec("sessions", lambda: SessionKeeper(self.sessions), shutdown_seconds=10.0, backoff=PATIENT),
        )
        allowed_programs = settings.vm_pool.allowed_programs
        programs = ProgramSettings(
            settings.vm_pool.enable_process, allowed_programs, settings.server.max_output_kb << 10
        )
        self.functions = {
            **SessionFunctions(audit).functions(),
            **Users(self.library, audit=audit).functions(),
            **self.templates.functions(),
            **DatabaseFunctions(self.scripts, self._max_rows).functions(),
            **self._files.functions(),
            **ProgramFunctions(programs).functions(),
            **SecurityFunctions(keys, encryption.figures.count).functions(),
        }
        self.kinds = {"db": DatabaseNode(self.scripts, self._max_rows).run}

    async def read_file(self, path: str) -> bytes:
        """A file that a mail may carry. Raises CallRefused."""
        return await self._files.read(path)

    def page(self, render: Callable[[str, Any], str]) -> Callable[[str, Any], Awaitable[str]]:
        """Renders a stored template by its name: on a thread, and one at a time, so that the loop gets its turns."""
        turn = asyncio.Lock()

        async def rendered(name: str, payload: Any) -> str:
            source = await self.templates.text(name)
            if not source:
                raise NodeError(f"there is no template {name}")
            async with turn:
                return await asyncio.to_thread(render, source, payload)

        return rendered

    def tracker_table(self) -> TrackerTable | None:
        """nFlow's own table of tracker rows, where there is an nFlow database."""
        return TrackerTable(self.outside) if self.outside is not None else None


def cookie_settings(settings: Settings) -> CookieSettings:
    """How the session cookie is made."""
    session = settings.session
    keys = cookie_keys(session.key.get_secret_value(), session.earlier_keys.get_secret_value())
    https = settings.url.url_base.startswith("https")
    return CookieSettings(keys, session.cookie, session.days * DAY_SECONDS, session.secure, https)


def _pools(**databases: Database | None) -> dict[str, PooledDatabase]:
    """Those there are, by what each is for."""
    return {name: each for name, each in databases.items() if isinstance(each, PooledDatabase)}


def _slow(settings: Settings) -> SlowStatements | None:
    """Where statements that took long are kept, if anybody can read of them; names are those of `Data.databases`."""
    debug = settings.debug
    return SlowStatements(debug.slow_query_ms / 1000, time.time) if debug.enabled and debug.slow_query_ms else None


def _outside(settings: Settings, slow: SlowStatements | None) -> SqlLibrary | None:
    """nFlow's database, where one is configured."""
    given = settings.database_nflow
    if not given.driver:
        return None
    options = DatabaseOptions(
        max_open=given.max_open_conns,
        max_idle=given.max_idle_conns,
        lifetime_seconds=given.conn_max_lifetime,
        pgbouncer=given.pgbouncer,
        slow=slow,
        name="nflow",
    )
    database = _made("database_nflow.dsn", given.driver, given.dsn.get_secret_value(), options)
    written = {field.alias: getattr(given, name) for name, field in type(given).model_fields.items() if field.alias}
    return SqlLibrary(database, {name: written[name] for name in DEFAULTS if written.get(name)}, given.query)


def _scripts(
    settings: Settings, outside: SqlLibrary | None, slow: SlowStatements | None
) -> tuple[Database | None, Database | None]:
    """The database of `db.query` and db nodes: its own, else nFlow's, else none; and the one that needs a keeper."""
    given = settings.database
    if not given.driver:
        return (outside.database if outside is not None else None), None
    options = DatabaseOptions(
        max_open=given.max_open_conns, pgbouncer=given.pgbouncer, init=given.init, slow=slow, name="scripts"
    )
    database = _made("database.url", given.driver, given.url.get_secret_value(), options)
    return database, database


def _sessions(settings: Settings, redis: RedisDoor, slow: SlowStatements | None, keys: Keyring) -> SessionStore:
    session, url = settings.session, settings.pg_session.url.get_secret_value()
    life = session.days * DAY_SECONDS
    match session.store or ("postgres" if url else "memory"):
        case "postgres":
            if not url:
                raise BadDocument([Problem("pg_session.url", "missing: session.store is postgres")])
            options = DatabaseOptions(statement_seconds=5.0, slow=slow, name="sessions")
            return PostgresSessions(_made("pg_session.url", "postgres", url, options), life, session.max_kb, keys)
        case "redis":
            if not settings.redis.host:
                raise BadDocument([Problem("redis.host", "missing: session.store is redis")])
            return RedisSessions(redis, life, session.max_kb, keys=keys)
        case _:
            caps = MemoryCaps(life, session.max_kb, session.max_sessions, session.max_memory_mb)
            return MemorySessions(caps, time.time)


def _made(key: str, driver: str, dsn: str, options: DatabaseOptions) -> Database:
    try:
        return make_database(driver, dsn, options)
    except BadDocument as error:
        raise BadDocument([Problem(key, problem.message) for problem in error.problems]) from None


def _folder(configured: str, variable: str) -> Path | None:
    """A folder from the configuration, or from nFlow's own variable where that is set."""
    written = os.environ.get(variable) or configured
    return Path(written) if written else None
