"""config.toml: every key known, every error told with its place, nothing silently ignored."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import BadDocument, Problem
from protocol.flow import Durability, Realm
from protocol.settings import Settings, known_keys
from protocol.settings.annotated import default_document

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "config.toml"

FULL_MANUAL_STYLE = """
[database_nflow]
driver = "postgres"
dsn = "host=db password=hunter2"
max_open_conns = 100
max_idle_conns = 10
conn_max_lifetime = 300
[redis]
host = "cache:6379"
password = "hunter2"
db = 0
max_retries = 3
pool_size = 10
[pg_session]
url = "postgres://u:hunter2@db/sessions"
[vm_pool]
max_size = 200
preload_size = 100
max_operations = 10000000
enable_network = true
[monitor]
metrics_port = "9090"
[rate_limit]
enabled = true
burst_size = 10
backend = "redis"
[security]
enable_static_analysis = true
encryption_key = "hunter2"
always_encrypt_fields = ["password", "token"]
[security.custom_patterns]
employee_id = "EMP\\\\d{6}"
enable_log_sanitization = true
log_masking_char = "#"
[security.log_custom_patterns]
session_id = "sess_[a-z]{32}"
[mail]
enabled = true
smtp_host = "smtp.example.com"
smtp_port = 587
smtp_user = "me"
smtp_password = "hunter2"
smtp_from = "me@example.com"
[env]
api_key = "hunter2"
"""


def parse(text: str = "", **env: str) -> tuple[Settings, tuple[Problem, ...]]:
    return Settings.parse(text, "config.toml", env)


def errors(text: str = "", **env: str) -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(BadDocument) as refused:
        parse(text, **env)
    return str(refused.value).splitlines()


def test_nothing_written_gives_the_defaults_and_no_warning() -> None:
    settings, warnings = parse()
    assert warnings == ()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert (settings.vm_pool.max_size, settings.vm_pool.preload_size) == (32, 8)
    assert settings.vm_pool.max_operations == 1_000_000_000
    assert settings.store.durability is Durability.TRACKED
    assert settings.server.realm is Realm.WARM


def test_an_explicit_operation_limit_is_honoured() -> None:
    assert parse("[vm_pool]\nmax_operations = 10_000_000")[0].vm_pool.max_operations == 10_000_000


# --- the file in the repository ---------------------------------------------------------------------------------------


def test_the_shipped_file_lists_exactly_the_known_keys() -> None:
    tree = tomllib.loads(CONFIG.read_text("utf-8"))
    assert list(tree) == list(known_keys())
    for section, keys in known_keys().items():
        assert set(tree[section]) == set(keys or ()), section


def test_the_shipped_file_holds_the_defaults_and_warns_of_nothing() -> None:
    settings, warnings = Settings.load(CONFIG, {})
    assert warnings == ()
    assert settings == Settings()


def test_the_shipped_file_is_what_the_command_prints() -> None:
    assert CONFIG.read_text("utf-8") == default_document()


def test_the_shipped_file_tells_meaning_and_default_of_every_key_on_its_line() -> None:
    lines = CONFIG.read_text("utf-8").splitlines()
    for line in ("[cors]  # Which sites' pages may call this server from a browser.", "[security.rules]"):
        assert any(each.startswith(line) for each in lines)
    for pattern in (
        r"port = 8080 +# port to listen on; 0: any free one; default 8080",
        r'auth_token = "" +# token asked for by /debug.*; default empty',
        r'allowed_methods = \["GET", "POST", "PUT", "PATCH", "DELETE"\] +# methods they may use; '
        r'default \["GET", "POST", "PUT", "PATCH", "DELETE"\]',
        r"max_operations = 1_000_000_000 +# engine operations .*; default 1_000_000_000",
        r"reload_seconds = 0.5 +# .*; default 0.5",
    ):
        assert any(re.fullmatch(pattern, line) for line in lines), pattern


# --- errors -----------------------------------------------------------------------------------------------------------


def test_every_error_is_listed_with_its_key_its_reason_and_its_source() -> None:
    text = """
[vm_pool]
max_sise = 3
max_size = true
preload_size = -1
[ratelimit]
enabled = true
[rate_limit]
backend = "mongo"
[server]
port = 70_000
"""
    lines = errors(text, NFLOW_SERVER_HOST="0.0.0.0", NFLOW_SERVER_DRAIN_SECONDS="soon", NFLOW_TRACKER_WORKER="2")
    assert sorted(lines) == sorted(
        [
            "vm_pool.max_sise: unknown key; the nearest known one is vm_pool.max_size (from config.toml:3)",
            "vm_pool.max_size: Input should be a number, not a boolean (from config.toml:4)",
            "vm_pool.preload_size: Input should be greater than or equal to 0 (from config.toml:5)",
            "ratelimit: unknown section; the nearest known one is [rate_limit] (from config.toml:6)",
            "rate_limit.backend: Input should be 'memory' or 'redis' (from config.toml:9)",
            "server.port: Input should be less than or equal to 65535 (from config.toml:11)",
            (
                "server.drain_seconds: Input should be a valid number, unable to parse string as a number"
                " (from NFLOW_SERVER_DRAIN_SECONDS)"
            ),
            "tracker.worker: unknown key; the nearest known one is tracker.workers (from NFLOW_TRACKER_WORKER)",
        ]
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("max_size = 3", "max_size: a key outside its section; did you mean [vm_pool] max_size? (from config.toml:1)"),
        ("vm_pool = 3", "vm_pool: must be a table: [vm_pool] (from config.toml:1)"),
        ("[redis]\nbackend = 'x'",
         "redis.backend: unknown key; the nearest known one is rate_limit.backend (from config.toml:2)"),
        ("[rate_limit]\nip_burst_size = 1\nburst_size = 2",
         "rate_limit.burst_size: the same key as rate_limit.ip_burst_size (from config.toml:3)"),
        ("[server]\nport = nan", "server.port: Input should be a finite number (from config.toml:2)"),
        ("[server]\ndrain_seconds = inf", "server.drain_seconds: Input should be a finite number (from config.toml:2)"),
        ("[env]\na = ['x']", "env.a: Input should be a valid string (from config.toml:2)"),
        ("[monitor]\nmetrics_path = 'metrics'",
         "monitor.metrics_path: String should match pattern '^/' (from config.toml:2)"),
    ],
)  # fmt: skip
def test_an_error_says_what_would_be_right(text: str, line: str) -> None:
    assert errors(text) == [line]


@pytest.mark.parametrize("text", ["[", "a = ", "[a]\n[a]", "a = 1\na = 2", "x = " + "[" * 5_000, "\0"])
def test_what_is_no_toml_is_one_error_naming_the_file(text: str) -> None:
    (line,) = errors(text)
    assert line.startswith("config.toml: not ")


def test_an_error_never_shows_a_secret() -> None:
    shown = "\n".join(
        errors("[redis]\npassword = ['hunter2']\ndb = 'hunter2'\n[debug]\nauth_token = 7", NFLOW_REDIS_DB="hunter2")
    )
    assert "hunter2" not in shown
    assert "redis.password" in shown


def test_a_missing_and_an_unreadable_file_are_errors(tmp_path: Path) -> None:
    for path, reason in [(tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(BadDocument, match=reason):
            Settings.load(path, {})
    (tmp_path / "latin.toml").write_bytes(b"[url]\nurl_base = '\xff'")
    with pytest.raises(BadDocument, match="not UTF-8 at byte 18"):
        Settings.load(tmp_path / "latin.toml", {})


def test_a_file_is_read_with_its_name_in_the_errors(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[server]\nport = 9090\n")
    assert Settings.load(path, {})[0].server.port == 9090
    path.write_text("[server]\nprt = 9090\n")
    with pytest.raises(BadDocument, match=r"from mine\.toml"):
        Settings.load(path, {})


# --- warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[mongo]\nurl = 'x'", "mongo.url"),
        ("[https_engine]\nenable = false", "https_engine.enable"),
        ("[redis]\nMaxConnectionPool = 5", "redis.MaxConnectionPool"),
        ("[database_nflow]\nQueryUpdateApp = 'x'", "database_nflow.QueryUpdateApp"),
    ],
)
def test_a_key_that_nflow_never_used_is_told_once_and_does_nothing(text: str, path: str) -> None:
    settings, (warning,) = parse(text)
    assert str(warning) == f"{path}: does nothing, here as in nFlow (from config.toml:2)"
    assert not warning.fatal
    assert settings == Settings()


def test_a_variable_for_a_key_that_nflow_never_used_is_told_once() -> None:
    _, warnings = parse(NFLOW_MONGO_URL="x", NFLOW_REDIS_MAXCONNECTIONPOOL="5")
    assert [(warning.path, warning.fatal) for warning in warnings] == [
        ("NFLOW_MONGO_URL", False), ("redis.maxconnectionpool", False),
    ]  # fmt: skip


@pytest.mark.parametrize("section", ["server", "store", "env", "url"])
def test_keys_in_force_do_not_warn(section: str) -> None:
    text = {
        "server": "port = 1\naccess_log = true",
        "store": "path = 'x'\ntracker_days = 1.5",
        "env": "a = 'b'",
        "url": "url_base = 'http://x'",
    }[section]
    assert parse(f"[{section}]\n{text}")[1] == ()


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_file_in_the_manuals_style_loads() -> None:
    settings, warnings = parse(FULL_MANUAL_STYLE)
    assert settings.rate_limit.ip_burst_size == 10
    assert (settings.mail.smtp, settings.mail.port, settings.mail.sender) == ("smtp.example.com", 587, "me@example.com")
    assert settings.mail.password.get_secret_value() == "hunter2"
    assert settings.vm_pool.max_operations == 10_000_000
    assert settings.security.enable_log_sanitization
    assert settings.security.custom_patterns == {"employee_id": r"EMP\d{6}"}
    assert settings.security.log_masking_char == "#"
    assert warnings == ()


def test_secrets_are_never_printed() -> None:
    settings, warnings = parse(FULL_MANUAL_STYLE)
    assert "hunter2" not in repr(settings) + str(settings) + repr(warnings)


def test_names_are_matched_whatever_their_case_as_nflow_does() -> None:
    settings, _ = parse("[VM_Pool]\nMAX_size = 3\n[database_nflow]\nquerygetuser = 'q'")
    assert settings.vm_pool.max_size == 3
    assert settings.database_nflow.query_get_user == "q"


@pytest.mark.parametrize("value", ["587", "'587'"])
def test_ports_may_be_numbers_or_texts(value: str) -> None:
    assert parse(f"[mail]\nport = {value}")[0].mail.port == 587
    assert parse(f"[monitor]\nmetrics_port = {value}")[0].monitor.metrics_port == "587"


# --- environment ------------------------------------------------------------------------------------------------------


def test_the_environment_overrides_the_file() -> None:
    settings, _ = parse("[vm_pool]\nmax_size = 3\npreload_size = 2", NFLOW_VM_POOL_MAX_SIZE="500")
    assert (settings.vm_pool.max_size, settings.vm_pool.preload_size) == (500, 2)


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("NFLOW_RATE_LIMIT_BACKEND", "redis", lambda s: s.rate_limit.backend == "redis"),
        ("NFLOW_RATE_LIMIT_BURST_SIZE", "7", lambda s: s.rate_limit.ip_burst_size == 7),
        ("NFLOW_REDIS_HOST", "r:6379", lambda s: s.redis.host == "r:6379"),
        ("NFLOW_DATABASE_DSN", "mysql://d", lambda s: s.database_nflow.dsn.get_secret_value() == "mysql://d"),
        ("NFLOW_DATABASE_NFLOW_DSN", "mysql://d", lambda s: s.database_nflow.dsn.get_secret_value() == "mysql://d"),
        ("NFLOW_DATABASE_URL", "mysql://u", lambda s: s.database.url.get_secret_value() == "mysql://u"),
        ("NFLOW_DATABASE_NFLOW_QUERYGETAPP", "q", lambda s: s.database_nflow.query_get_app == "q"),
        ("NFLOW_SECURITY_ENCRYPTION_KEY", "k", lambda s: s.security.encryption_key.get_secret_value() == "k"),
        ("NFLOW_SECURITY_ALLOWED_PATTERNS", "a, b", lambda s: s.security.allowed_patterns == ("a", "b")),
        ("NFLOW_MAIL_FROM", "me", lambda s: s.mail.sender == "me"),
        ("NFLOW_TRACKER_ENABLED", "true", lambda s: s.tracker.enabled),
        ("NFLOW_STORE_DURABILITY", "durable", lambda s: s.store.durability is Durability.DURABLE),
        ("NFLOW_ENV_API_KEY", "k", lambda s: s.env == {"API_KEY": "k"}),
        ("NFLOW_URL_URL_BASE", "http://x", lambda s: s.url.url_base == "http://x"),
    ],
)  # fmt: skip
def test_a_variable_reaches_its_key(variable: str, value: str, found: Any) -> None:
    assert found(parse(**{variable: value})[0])


@pytest.mark.parametrize(
    ("text", "dsn", "driver"),
    [
        ("", "postgres://user:pass@host/db", "postgres"),
        ("[database_nflow]\ndriver = 'sqlite3'\ndsn = 'app.sqlite'", "postgres://user:pass@host/db", "postgres"),
        ("", " MySQL://host/db", "mysql"),
        ("", "sqlite://app.sqlite", "sqlite3"),
        ("[database_nflow]\ndriver = 'postgres'", "user=nflow dbname=nflow", "postgres"),
    ],
)
def test_a_dsn_that_is_a_url_says_its_driver(text: str, dsn: str, driver: str) -> None:
    assert parse(text, NFLOW_DATABASE_DSN=dsn)[0].database_nflow.driver == driver
    assert parse(text.replace("_nflow", "").replace("dsn", "url"), NFLOW_DATABASE_URL=dsn)[0].database.driver == driver


@pytest.mark.parametrize("section", ["[database_nflow]\ndsn = 'host=h password=SECRET'", "[database]\nurl = 'SECRET'"])
def test_a_dsn_without_a_driver_is_an_error_that_does_not_repeat_it(section: str) -> None:
    with pytest.raises(BadDocument, match="needs its driver beside it") as caught:
        parse(section)
    assert "SECRET" not in str(caught.value)


def test_a_variable_of_env_takes_the_name_the_file_has() -> None:
    assert parse("[env]\napi_key = 'file'", NFLOW_ENV_API_KEY="variable")[0].env == {"api_key": "variable"}


def test_a_variable_of_no_section_warns_and_foreign_ones_are_left_alone() -> None:
    _, (warning,) = parse(NFLOW_COLOUR="red", PATH="/bin", NFLOW_TEMPLATE_PATH="t")
    assert warning.path == "NFLOW_COLOUR"


def test_variables_an_orchestrator_puts_there_are_left_alone() -> None:
    """Kubernetes describes a service named nflow-server to every container like this."""
    _, warnings = parse(
        NFLOW_SERVER_SERVICE_HOST="10.0.0.1", NFLOW_SERVER_SERVICE_PORT="80", NFLOW_SERVER_SERVICE_PORT_HTTP="80",
        NFLOW_SERVER_PORT="tcp://10.0.0.1:80", NFLOW_SERVER_PORT_80_TCP="tcp://10.0.0.1:80",
        NFLOW_SERVER_PORT_80_TCP_ADDR="10.0.0.1", NFLOW_PORT="tcp://10.0.0.1:80",
    )  # fmt: skip
    assert warnings == ()


# --- and whatever else comes ------------------------------------------------------------------------------------------


def test_settings_cannot_be_changed() -> None:
    settings, _ = parse()
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


def test_the_readers_of_documents_do_not_pull_in_pydantic() -> None:
    code = "import sys, protocol.formats, protocol.codec, protocol.routing; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
