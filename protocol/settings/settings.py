"""The whole configuration. Read here, and only here.

`Settings.load` reads one TOML file and the environment over it and answers with frozen settings and start-up warnings,
or with a BadDocument that lists every error, each with its key and where it was written. All keys nFlow parsed or
documented are known; which of them do nothing yet, or never did, is told once each at start (`configuration.py`).
A key written at its default says nothing and warns of nothing, so a file that lists every key is silent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from protocol.configuration import Known, gather, idle_keys
from protocol.errors import BadDocument, Problem
from protocol.settings.data import Database, DatabaseNflow, PgSession, Redis, Session
from protocol.settings.engine import (
    Api,
    Cors,
    Debug,
    Files,
    Flows,
    Log,
    Monitor,
    Otel,
    RateLimit,
    Security,
    Server,
    Store,
    Tracker,
    VmPool,
)
from protocol.settings.key import Section
from protocol.settings.legacy import Https, UnusedUrl
from protocol.settings.outside import Ai, Mail, Outgoing, Plugin, Twilio, Url


class Settings(Section):
    """The whole configuration."""

    server: Server = Server()
    store: Store = Store()
    vm_pool: VmPool = VmPool()
    tracker: Tracker = Tracker()
    monitor: Monitor = Monitor()
    debug: Debug = Debug()
    log: Log = Log()
    otel: Otel = Otel()
    env: dict[str, str] = Field(
        default_factory=dict, description="what scripts see as env: names and texts", repr=False
    )
    url: Url = Url()
    rate_limit: RateLimit = RateLimit()
    cors: Cors = Cors()
    database_nflow: DatabaseNflow = DatabaseNflow()
    redis: Redis = Redis()
    security: Security = Security()
    mail: Mail = Mail()
    twilio: Twilio = Twilio()
    pg_session: PgSession = PgSession()
    session: Session = Session()
    flows: Flows = Flows()
    files: Files = Files()
    api: Api = Api()
    outgoing: Outgoing = Outgoing()
    ai: Ai = Ai()
    plugin: Plugin = Plugin()
    database: Database = Database()
    mongo: UnusedUrl = UnusedUrl()
    https_engine: Https = Https()
    https_designer: Https = Https()

    @classmethod
    def load(cls, path: Path | None, env: Mapping[str, str]) -> tuple[Settings, tuple[Problem, ...]]:
        """Settings from the file at `path` (None: no file) with `NFLOW_SECTION_KEY` of `env` over it, and warnings.

        Raises BadDocument with every error: its key, the reason, and the file or variable it comes from.
        """
        text = _read(path) if path is not None else ""
        return cls.parse(text, path.name if path is not None else "config.toml", env)

    @classmethod
    def parse(cls, text: str, origin: str, env: Mapping[str, str]) -> tuple[Settings, tuple[Problem, ...]]:
        """Like `load`, from the text of a file called `origin`."""
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadDocument([Problem(origin, f"not TOML: {error}")]) from None
        except RecursionError:
            raise BadDocument([Problem(origin, "not readable: nested too deep")]) from None
        found = gather(tree, origin, env, known_keys())
        problems = list(found.problems)
        try:
            settings = cls.model_validate(found.tree)
        except ValidationError as error:
            problems += _problems(error, found.origins)
        errors = [problem for problem in problems if problem.fatal]
        if errors:
            raise BadDocument(errors)
        return settings, (*problems, *idle_keys(found, _plain(cls()), _plain(settings)))


def known_keys() -> Known:
    """Section → its keys as they are written, or None for a table of free names."""
    return {
        name: tuple(field.alias or inner for inner, field in section.model_fields.items())
        if (section := _section(name)) is not None
        else None
        for name in Settings.model_fields
    }


def _section(name: str) -> type[Section] | None:
    kind = Settings.model_fields[name].annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _plain(settings: Settings) -> dict[str, Any]:
    """Section → key as written → value; for comparing, so secrets are compared and never shown."""
    plain: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section):
            fields = type(value).model_fields.items()
            value = {field.alias or inner: getattr(value, inner) for inner, field in fields}
        plain[name] = value
    return plain


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise BadDocument([Problem(str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise BadDocument([Problem(str(path), f"not UTF-8 at byte {error.start}")]) from None


def _problems(error: ValidationError, origins: Mapping[str, str]) -> list[Problem]:
    problems = []
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        steps = [str(step) for step in fault["loc"]]
        origin = origins.get(".".join(steps[:2]), "")
        message = fault["msg"].removeprefix("Value error, ")
        problems.append(Problem(".".join(steps), f"{message} (from {origin})" if origin else message))
    return problems
