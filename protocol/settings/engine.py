"""The server itself: what runs, how much of it, and who watches."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr

from protocol.flow import Durability, Realm
from protocol.settings.key import (
    NO_SECRET,
    Count,
    Duration,
    Patterns,
    Port,
    PortText,
    Positive,
    Ratio,
    Seconds,
    Section,
    Texts,
    UrlPath,
    setting,
)


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
    max_host_calls: Count = setting(1_000, "host functions one script may call; chunks of an answer count a hundredth")
    host_call_seconds: Seconds = setting(30.0, "deadline of one host call, seconds")
    max_streams: Count = setting(
        0, "answers streamed at once, each holding a sandbox; more: 503; 0: half of vm_pool.max_size"
    )
    max_waiting: Count = setting(10_000, "scripts that may wait for a sandbox; more: 503")
    wait_seconds: Seconds = setting(5.0, "longest wait for a sandbox, seconds; longer: 503")
    access_log: bool = setting(True, "one log line for each request")
    profile: Literal["", "development", "production"] = setting(
        "", "other defaults of some keys, as `nflow config show` tells: development or production; also NFLOW_PROFILE"
    )
    max_header_kb: Positive = setting(32, "largest head of a request, KiB; larger: 431")
    max_connections: Positive = setting(10_000, "open connections; more are closed at once")
    max_inflight_mb: Positive = setting(256, "bodies held at once, MiB; more: 503")
    trusted_proxies: Texts = setting(
        (), "addresses and networks whose Forwarded, X-Forwarded-For or X-Real-IP tells the client's address"
    )
    tls_cert: str = setting("", "certificate chain, PEM file; with tls_key the server speaks HTTPS")
    tls_key: str = setting("", "its private key, PEM file")
    tls_key_password: SecretStr = setting(NO_SECRET, "what the key file is encrypted with")
    security_headers: bool = setting(
        True, "send nosniff, frame and referrer policies, and HSTS over HTTPS, where the flow sets none itself"
    )


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
    enable_network: bool = setting(
        True, "scripts and nodes may reach out, behind the address guard; false: they may not"
    )
    enable_process: bool = setting(False, "scripts may start the programs of allowed_programs")
    allowed_programs: Texts = setting((), "absolute paths of programs scripts may start; no shell is involved")


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
    slow_query_ms: Duration = setting(200.0, "statements that take longer are listed, milliseconds; 0: none")


class RateLimit(Section):
    """Requests per client."""

    enabled: bool = setting(False, "limit requests by address")
    ip_rate_limit: Count = setting(100, "requests of one address in a window")
    ip_window_minutes: Seconds = setting(1.0, "the window, minutes")
    ip_burst_size: Count = setting(10, "requests beyond the limit after quiet; also written burst_size")
    backend: Literal["memory", "redis"] = setting("memory", "where buckets are kept: memory or redis")
    cleanup_interval: Duration = setting(10.0, "time between removals of unused buckets, minutes; 0: 10")
    retry_after_header: bool = setting(True, "send Retry-After")
    error_message: str = setting("Rate limit exceeded. Please try again later.", "text of the 429 answer")
    excluded_ips: str = setting("", "addresses and networks without a limit, comma-separated")
    excluded_paths: str = setting("", "path prefixes without a limit, comma-separated")
    per_route: bool = setting(False, "each address has a bucket for each route")
    per_account: bool = setting(False, "who shows a valid token or session profile has a bucket of its own")
    max_clients: Positive = setting(100_000, "buckets kept in memory; the longest unused goes first")


class Cors(Section):
    """Which sites' pages may call this server from a browser."""

    allowed_origins: Texts = setting((), "origins such as https://app.example.com, or *; empty: none")
    allowed_methods: Texts = setting(("GET", "POST", "PUT", "PATCH", "DELETE"), "methods they may use")
    allowed_headers: Texts = setting(("Content-Type", "Authorization", "X-Request-ID"), "headers they may send")
    exposed_headers: Texts = setting(
        ("X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"),
        "headers they may read",
    )
    allow_credentials: bool = setting(False, "with cookies; needs origins by name")
    max_age: Duration = setting(600.0, "how long a browser may remember this, seconds")


class Log(Section):
    """Log lines, and the separate log of security events."""

    level: Literal["debug", "info", "warn", "error"] = setting("info", "least level written; -v: debug")
    format: Literal["text", "json"] = setting("text", "text, as in the manuals, or json, one object a line")
    output: str = setting("stderr", "stderr, stdout, or a file")
    max_mb: Positive = setting(100, "a log file is rotated at this size, MiB")
    keep: Count = setting(5, "rotated files kept")
    audit: str = setting("nflow-audit.jsonl", "append-only file of security events; empty: none")


class Otel(Section):
    """OpenTelemetry traces, with the extra nflow-runtime[otel]."""

    enabled: bool = setting(False, "send a span for each run and node")
    endpoint: str = setting("http://localhost:4318", "OTLP over HTTP: the collector's base address")
    headers: SecretStr = setting(NO_SECRET, "headers for the collector: name=value, comma-separated")
    service_name: str = setting("nflow-runtime", "name of this service in traces")
    sample_ratio: Ratio = setting(1.0, "part of the traces that begin here, 0 to 1; a caller's decision is kept")


class Security(Section):
    """Static analysis, encryption, masking of logs, the address guard."""

    enable_static_analysis: bool = setting(True, "look through scripts first; advice: the sandbox is the wall")
    block_on_high_severity: bool = setting(True, "refuse scripts with a finding of high severity")
    log_security_warnings: bool = setting(True, "log findings")
    cache_analysis_results: bool = setting(True, "look through equal scripts once")
    cache_ttl_minutes: Duration = setting(5.0, "how long a finding is remembered, minutes")
    allowed_patterns: Texts = setting((), "rules whose findings are let pass, by name")
    enable_encryption: bool = setting(False, "encrypt sensitive values in answers; needs encryption_key")
    encryption_key: SecretStr = setting(
        NO_SECRET, "as `nflow keygen` makes it: base64, hex or raw; also encrypts the journal and security.encrypt()"
    )
    encryption_key_id: str = setting(
        "", "name of the key, written with what it encrypts, so that keys can change; empty: nFlow's format, no name"
    )
    earlier_keys: SecretStr = setting(
        NO_SECRET, "keys that encrypted before, still read: id:key, or :key without an id, between spaces"
    )
    encrypt_sensitive_data: bool = setting(True, "find sensitive values by their patterns, not only by field names")
    encrypt_in_place: bool = setting(True, "put the ciphertext where the value was; false: beside it, the value stays")
    always_encrypt_fields: Texts = setting(
        ("password", "token", "secret", "api_key", "private_key"), "fields encrypted whatever they hold"
    )
    sensitive_patterns: Texts = setting((), "kinds of values that are sensitive; empty: all known ones")
    enable_log_sanitization: bool = setting(True, "mask sensitive values in logs")
    log_masking_char: str = setting("*", "character that masks")
    log_preserve_length: bool = setting(False, "mask with as many characters as there were")
    log_show_type: bool = setting(True, "say what kind of value was masked")
    log_patterns: Texts = setting((), "kinds of values masked in logs; empty: all known ones")
    allowed_addresses: Texts = setting(
        (), "private addresses and networks that scripts and nodes may reach, such as 127.0.0.1/32"
    )
    severities: Patterns = setting({}, "rules of the analysis with another severity: high, medium, low or off")
    rules: Patterns = setting({}, "own rules of the analysis: name and regular expression; high unless severities says")
    custom_patterns: Patterns = setting({}, "own kinds of sensitive values: name and regular expression")
    log_custom_patterns: Patterns = setting({}, "own kinds of values masked in logs: name and regular expression")


class Flows(Section):
    """Documents and databases of flows, watched while the server runs."""

    reload_seconds: Duration = setting(
        0.5, "time between looks for changed flows, modules and templates, seconds; 0: never"
    )
    versions: Positive = setting(50, "versions kept of each app's document; the oldest goes first")


class Files(Section):
    """Folders the server reads, relative to the working directory."""

    root: str = setting("", "folder that c.File, c.Attachment and the file functions are kept below; empty: no files")
    templates: str = setting("templates", "folder of page templates, before the database; also NFLOW_TEMPLATE_PATH")
    triggers: str = setting("triggers", "folder of auth.js and log.js; also NFLOE_TRIGGERS_FOLD")
    max_kb: Positive = setting(1_024, "largest file a script may read or write, KiB")


class Api(Section):
    """The HTTP API beside the workflows: /api/workflow, /api/admin, /api/processes, /api/plugin."""

    enabled: bool = setting(True, "serve it")
    admin_token: SecretStr = setting(NO_SECRET, "bearer token of administration; empty: administration is off")
    open_execution: bool = setting(False, "POST /api/workflow and /api/plugin need no token")
    docs: bool = setting(True, "serve /openapi.json and /docs")
