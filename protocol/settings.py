"""Every key of config.toml: type, unit, default, meaning. The only file that knows pydantic.

`Settings.load` reads one TOML file and the environment over it and answers with frozen settings and start-up warnings,
or with a BadDocument that lists every error, each with its key and where it was written. All keys nFlow parsed or
documented are known; which of them do nothing yet, or never did, is told once each at start (`configuration.py`).
A key written at its default says nothing and warns of nothing, so a file that lists every key is silent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from protocol.configuration import Known, gather, idle_keys
from protocol.errors import BadDocument, Problem
from protocol.flow import Durability, Realm

YEAR = 365.0 * 86_400


def _no_boolean(value: Any) -> Any:
    """`true` is not the number 1."""
    if isinstance(value, bool):
        raise ValueError("Input should be a number, not a boolean")
    return value


def _port_text(value: Any) -> Any:
    """Ports are texts in nFlow's file and numbers in its manuals."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _comma_list(value: Any) -> Any:
    """A list may come from the environment as one text."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=2**53)]
Positive = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=2**53)]
Port = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=65_535)]
PortText = Annotated[str, BeforeValidator(_port_text), Field(pattern=r"^\d{0,5}$")]
Seconds = Annotated[float, BeforeValidator(_no_boolean), Field(gt=0, le=YEAR)]
Duration = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, le=YEAR)]
"""Of any unit; 0 has a meaning its key explains."""
UrlPath = Annotated[str, Field(pattern=r"^/")]
Texts = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]
Patterns = dict[str, str]
NO_SECRET = SecretStr("")


def setting(default: Any, meaning: str, alias: str | None = None) -> Any:
    """One key: its default and its meaning, with the unit where it has one."""
    return Field(default, description=meaning, alias=alias)


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, validate_by_name=True,
        coerce_numbers_to_str=False,
    )  # fmt: skip


class Server(Section):
    """The HTTP server and what one run may use."""

    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 for all")
    port: Port = setting(8080, "port to listen on; 0: any free one")
    max_body_mb: Positive = setting(10, "largest request body, MiB; larger: 413")
    header_seconds: Seconds = setting(15.0, "deadline for a request's head, seconds")
    body_seconds: Seconds = setting(
        30.0, "deadline for a request's body, seconds; later: 408; also for taking the answer"
    )
    keepalive_seconds: Seconds = setting(
        15.0, "an idle connection is closed after this, at most header_seconds, seconds"
    )
    drain_seconds: Duration = setting(30.0, "on stop, running requests get at most this, seconds")
    max_processes: Positive = setting(10_000, "runs active at once; more: 503")
    max_steps: Positive = setting(10_000, "nodes one run may pass, so that a cycle ends")
    process_seconds: Seconds = setting(300.0, "deadline of a whole run, seconds")
    realm: Realm = setting(Realm.WARM, "where scripts run: warm (a proven-clean realm) or fresh (a new one each run)")
    max_output_kb: Positive = setting(1_024, "payload and answer of one script, KiB")
    max_log_kb: Positive = setting(64, "console output kept of one script, KiB")
    max_host_calls: Count = setting(1_000, "host functions one script may call")
    host_call_seconds: Seconds = setting(30.0, "deadline of one host call, seconds")
    max_waiting: Count = setting(10_000, "scripts that may wait for a sandbox; more: 503")
    wait_seconds: Seconds = setting(5.0, "longest wait for a sandbox, seconds; longer: 503")
    access_log: bool = setting(False, "one log line for each request")


class Store(Section):
    """The embedded store: journal and tracker."""

    path: str = setting("nflow.sqlite", "SQLite file, relative to the working directory")
    durability: Durability = setting(
        Durability.TRACKED, "of flows that do not say: none, tracked (rows nobody waits for) or durable (journal)"
    )
    synchronous: Literal["normal", "full"] = setting("normal", "full: commits survive power loss too, a disk wait each")
    process_days: Duration = setting(30.0, "finished runs are kept this long, days; 0: for ever")
    step_days: Duration = setting(30.0, "steps of finished runs are kept this long, days; 0: for ever")
    tracker_days: Duration = setting(7.0, "tracker rows are kept this long, days; 0: for ever")
    journal_batch: Positive = setting(256, "most records in one commit of the journal")
    journal_buffer: Positive = setting(10_000, "records that may wait for the journal; more: 503")
    sweep_minutes: Seconds = setting(60.0, "time between removals of old rows, minutes")


class VmPool(Section):
    """The sandboxes and the limits of one script."""

    max_size: Positive = setting(32, "most sandboxes at once, one OS process each; scripts running at once")
    preload_size: Count = setting(8, "sandboxes started at the beginning and kept, at most max_size")
    idle_timeout: Duration = setting(10.0, "a sandbox beyond preload_size idle for this long ends, minutes")
    cleanup_interval: Duration = setting(5.0, "time between looks for idle sandboxes, minutes; 0: they never end")
    enable_metrics: bool = setting(False, "log numbers of the pool every 30 seconds")
    max_memory_mb: Positive = setting(128, "memory of one script, MiB; more: 408")
    max_execution_seconds: Seconds = setting(30.0, "time of one script, seconds; longer: 408")
    max_operations: Positive = setting(
        1_000_000_000, "engine operations of one script; more: 408; 10 million last 17-709 ms"
    )
    enable_filesystem: bool = setting(False, "scripts may use files")
    enable_network: bool = setting(False, "scripts may use the network")
    enable_process: bool = setting(False, "scripts may start processes")


class Tracker(Section):
    """One row for each finished node, written by nobody's leave: dropped, oldest first, when the buffer is full."""

    enabled: bool = setting(False, "write tracker rows")
    workers: Positive = setting(4, "batchers")
    batch_size: Positive = setting(100, "rows in one write")
    flush_interval: Seconds = setting(250.0, "longest time a row waits for its batch, milliseconds")
    channel_buffer: Positive = setting(100_000, "rows that may wait; more: the oldest is dropped and counted")
    verbose_logging: bool = setting(False, "log every batch")
    stats_interval: Duration = setting(300.0, "time between log lines with the numbers, seconds")


class Monitor(Section):
    """Health and metrics."""

    enabled: bool = setting(True, "serve health and metrics")
    health_check_path: UrlPath = setting("/health", "path of the health check")
    metrics_path: UrlPath = setting("/metrics", "path of the Prometheus metrics")
    enable_detailed_metrics: bool = setting(False, "more numbers of the runtime itself")
    metrics_port: PortText = setting("", "port of its own for metrics; empty: the server's")


class Debug(Section):
    """Operators' endpoints under /debug."""

    enabled: bool = setting(False, "more in error answers; the /debug endpoints")
    auth_token: SecretStr = setting(NO_SECRET, "token asked for by /debug")
    allowed_ips: str = setting("", "addresses and networks let in, comma-separated; empty: all")
    enable_pprof: bool = setting(False, "profiles under /debug/pprof")


class RateLimit(Section):
    """Requests per client."""

    enabled: bool = setting(False, "limit requests by address")
    ip_rate_limit: Count = setting(100, "requests of one address in a window")
    ip_window_minutes: Seconds = setting(1.0, "the window, minutes")
    ip_burst_size: Count = setting(10, "requests beyond the limit after quiet; also written burst_size")
    backend: Literal["memory", "redis"] = setting("memory", "where buckets are kept: memory or redis")
    cleanup_interval: Duration = setting(10.0, "time between removals of unused buckets, minutes")
    retry_after_header: bool = setting(True, "send Retry-After")
    error_message: str = setting("Rate limit exceeded. Please try again later.", "text of the 429 answer")
    excluded_ips: str = setting("", "addresses and networks without a limit, comma-separated")
    excluded_paths: str = setting("", "path prefixes without a limit, comma-separated")


class DatabaseNflow(Section):
    """nFlow's database: apps, modules, templates, users, tokens, named queries."""

    driver: Literal["", "postgres", "sqlite3", "mysql"] = setting("", "postgres, sqlite3 or mysql; empty: no database")
    dsn: SecretStr = setting(NO_SECRET, "how to reach it")
    query: str = setting("SELECT name,query FROM queries", "loads the named queries below at start")
    max_open_conns: Count = setting(0, "connections; 0: the driver's choice")
    max_idle_conns: Count = setting(0, "idle connections kept; 0: the driver's choice")
    conn_max_lifetime: Duration = setting(0.0, "a connection is renewed after this, seconds; 0: never")
    query_get_app: str = setting("", "named query; empty: from the database", "QueryGetApp")
    query_get_module_by_name: str = setting("", "named query; empty: from the database", "QueryGetModuleByName")
    query_get_template: str = setting("", "named query; empty: from the database", "QueryGetTemplate")
    query_get_user: str = setting("", "named query; empty: from the database", "QueryGetUser")
    query_get_token: str = setting("", "named query; empty: from the database", "QueryGetToken")
    query_insert_log: str = setting("", "named query; empty: from the database", "QueryInsertLog")
    query_get_modules: str = setting("", "designer's query, unused here", "QueryGetModules")
    query_count_modules_by_name: str = setting("", "designer's query, unused here", "QueryCountModulesByName")
    query_update_mod: str = setting("", "designer's query, unused here", "QueryUpdateModModuleByName")
    query_update_form: str = setting("", "designer's query, unused here", "QueryUpdateFormModuleByName")
    query_update_code: str = setting("", "designer's query, unused here", "QueryUpdateCodeModuleByName")
    query_update_app: str = setting("", "designer's query, unused here", "QueryUpdateApp")
    query_insert_module: str = setting("", "designer's query, unused here", "QueryInsertModule")
    query_delete_module: str = setting("", "designer's query, unused here", "QueryDeleteModule")
    query_get_template_count: str = setting("", "designer's query, unused here", "QueryGetTemplateCount")
    query_get_templates: str = setting("", "designer's query, unused here", "QueryGetTemplates")
    query_update_template: str = setting("", "designer's query, unused here", "QueryUpdateTemplate")
    query_insert_template: str = setting("", "designer's query, unused here", "QueryInsertTemplate")
    query_delete_template: str = setting("", "designer's query, unused here", "QueryDeleteTemplate")


class Redis(Section):
    """Redis, for scripts and shared rate limits."""

    host: str = setting("", "host:port; empty: no Redis")
    password: SecretStr = setting(NO_SECRET, "password; empty: none")
    db: Count = setting(0, "database number")
    max_retries: Count = setting(0, "further tries of a failed command")
    pool_size: Positive = setting(10, "connections")
    maxconnectionpool: Count = setting(0, "unused, as in nFlow")


class Security(Section):
    """Static analysis, encryption, masking of logs."""

    enable_static_analysis: bool = setting(False, "look through scripts before they run")
    block_on_high_severity: bool = setting(False, "refuse scripts with a finding of high severity")
    log_security_warnings: bool = setting(False, "log findings")
    cache_analysis_results: bool = setting(True, "look through equal scripts once")
    cache_ttl_minutes: Duration = setting(5.0, "how long a finding is remembered, minutes")
    allowed_patterns: Texts = setting((), "findings that are let pass, by name")
    enable_encryption: bool = setting(False, "encrypt data")
    encryption_key: SecretStr = setting(NO_SECRET, "32 bytes, as base64 or as they are")
    encrypt_sensitive_data: bool = setting(False, "find and encrypt sensitive values by themselves")
    encrypt_in_place: bool = setting(True, "put the ciphertext where the value was")
    always_encrypt_fields: Texts = setting((), "fields encrypted whatever they hold")
    sensitive_patterns: Texts = setting((), "kinds of values that are sensitive; empty: all known ones")
    enable_log_sanitization: bool = setting(False, "mask sensitive values in logs")
    log_masking_char: str = setting("*", "character that masks")
    log_preserve_length: bool = setting(False, "mask with as many characters as there were")
    log_show_type: bool = setting(True, "say what kind of value was masked")
    custom_patterns: Patterns = setting({}, "own kinds of sensitive values: name and regular expression")
    log_custom_patterns: Patterns = setting({}, "own kinds of values masked in logs: name and regular expression")


class Mail(Section):
    """The mail server."""

    enabled: bool = setting(False, "send mail")
    smtp: str = setting("", "host of the mail server; also written smtp_host")
    port: Port = setting(25, "its port; also written smtp_port")
    username: str = setting("", "user name there; also written smtp_user; empty: the sender")
    password: SecretStr = setting(NO_SECRET, "password there; also written smtp_password")
    sender: str = setting("", "sender of mails; also written smtp_from", "from")
    use_tls: bool = setting(False, "insist on TLS")


class Twilio(Section):
    """One-time passwords by text message."""

    enable: bool = setting(False, "use Twilio")
    account_sid: str = setting("", "account")
    auth_token: SecretStr = setting(NO_SECRET, "its token")
    verify_service_id: str = setting("", "service that sends the codes")


class Url(Section):
    """How the outside reaches this server."""

    url_base: str = setting("", "what scripts see as url_base")


class UnusedUrl(Section):
    """Unused, as in nFlow."""

    url: SecretStr = setting(NO_SECRET, "unused, as in nFlow")


class Plugin(Section):
    """Unused, as in nFlow."""

    plugins: Texts = setting((), "unused, as in nFlow")


class Database(Section):
    """Unused, as in nFlow."""

    driver: str = setting("", "unused, as in nFlow")
    url: SecretStr = setting(NO_SECRET, "unused, as in nFlow")
    init: str = setting("", "unused, as in nFlow")


class Https(Section):
    """Unused, as in nFlow."""

    enable: bool = setting(False, "unused, as in nFlow")
    cert: str = setting("", "unused, as in nFlow")
    key: str = setting("", "unused, as in nFlow")
    address: str = setting("", "unused, as in nFlow")
    description: str = setting("", "unused, as in nFlow")
    httpbasic: bool = setting(False, "unused, as in nFlow")


class Settings(Section):
    """The whole configuration."""

    server: Server = Server()
    store: Store = Store()
    vm_pool: VmPool = VmPool()
    tracker: Tracker = Tracker()
    monitor: Monitor = Monitor()
    debug: Debug = Debug()
    env: dict[str, str] = Field(
        default_factory=dict, description="what scripts see as env: names and texts", repr=False
    )
    url: Url = Url()
    rate_limit: RateLimit = RateLimit()
    database_nflow: DatabaseNflow = DatabaseNflow()
    redis: Redis = Redis()
    security: Security = Security()
    mail: Mail = Mail()
    twilio: Twilio = Twilio()
    pg_session: UnusedUrl = UnusedUrl()
    plugin: Plugin = Plugin()
    mongo: UnusedUrl = UnusedUrl()
    database: Database = Database()
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
