"""Settings that do not fit together, and what must not go into production."""

from __future__ import annotations

import pytest

from protocol.settings import Settings
from protocol.settings.leftovers import SAMPLES

KEY = "[session]\nkey = 'k3Vq0pWz81LmX-55'\n"


def said(text: str, **env: str) -> list[tuple[str, str, bool]]:
    """Path, source and whether it is an error."""
    found = Settings.examine(text, "config.toml", env).problems
    return [(problem.path, problem.message.rpartition(" (from ")[2].rstrip(")"), problem.fatal) for problem in found]


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("[session]\nstore = 'redis'", "session.store", 2),
        ("[session]\nstore = 'postgres'", "session.store", 2),
        ("[rate_limit]\nenabled = true\nbackend = 'redis'", "rate_limit.backend", 3),
        ("[database]\nurl = 'host=x'", "database.url", 2),
        ("[security]\nenable_encryption = true", "security.enable_encryption", 2),
        ("[security]\nlog_masking_char = ''", "security.log_masking_char", 2),
        ("[security]\nallowed_addresses = ['10.0.0.1/8', 'localhost']", "security.allowed_addresses", 2),
        ("[server]\ntrusted_proxies = ['10.0.0.0/33']", "server.trusted_proxies", 2),
        ("[debug]\nallowed_ips = '127.0.0.1, x'", "debug.allowed_ips", 2),
        ("[rate_limit]\nexcluded_ips = '::1,nobody'", "rate_limit.excluded_ips", 2),
        ("[rate_limit]\nexcluded_paths = '/health,metrics'", "rate_limit.excluded_paths", 2),
        ("[server]\nport = 9090\n[monitor]\nmetrics_port = 9090", "monitor.metrics_port", 4),
        ("[monitor]\nmetrics_port = '70000'", "monitor.metrics_port", 2),
        ("[monitor]\nmetrics_path = '/health'", "monitor.metrics_path", 2),
        ("[server]\ntls_cert = 'c.pem'", "server.tls_cert", 2),
        ("[server]\ntls_key = 'k.pem'", "server.tls_key", 2),
        ("[cors]\nallowed_origins = ['*']\nallow_credentials = true", "cors.allow_credentials", 3),
        ("[cors]\nallowed_origins = ['https://a.example/path']", "cors.allowed_origins", 2),
        ("[cors]\nallowed_methods = ['GE T']", "cors.allowed_methods", 2),
    ],
)
def test_what_contradicts_itself_is_an_error_with_its_place(text: str, path: str, line: int) -> None:
    assert said(text) == [(path, f"config.toml:{line}", True)]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[vm_pool]\nenable_filesystem = true", "vm_pool.enable_filesystem"),
        ("[vm_pool]\nenable_process = true", "vm_pool.enable_process"),
        ("[mail]\nenabled = true", "mail.enabled"),
    ],
)
def test_a_switch_that_does_nothing_alone_is_a_warning(text: str, path: str) -> None:
    assert said(text) == [(path, "config.toml:2", False)]


@pytest.mark.parametrize(
    "text",
    [
        "[session]\nstore = 'redis'\n[redis]\nhost = 'r'",
        "[rate_limit]\nbackend = 'redis'",
        "[monitor]\nenabled = false\nmetrics_port = '8080'",
        "[server]\nport = 0\n[monitor]\nmetrics_port = '0'",
        "[cors]\nallow_credentials = true\nallowed_origins = ['https://app.example.com:8443', 'http://[::1]', 'app://x']",
        "[rate_limit]\nexcluded_ips = ' 127.0.0.1 , 10.0.0.0/8,'\nexcluded_paths = '/health, /metrics'",
    ],
)
def test_what_fits_together_is_silent(text: str) -> None:
    assert said(text) == []


# --- production ---


@pytest.mark.parametrize(
    ("section", "key"),
    [("debug", "auth_token"), ("api", "admin_token"), ("session", "key"), ("security", "encryption_key"),
     ("redis", "password"), ("mail", "password")],
)  # fmt: skip
@pytest.mark.parametrize("sample", [*sorted(SAMPLES)[:4], "secret", "debug-token-12345"])
def test_a_manuals_sample_is_an_error_in_production_and_else_a_warning(section: str, key: str, sample: str) -> None:
    text = f"[{section}]\n{key} = '{sample}'"
    assert said(text) == [(f"{section}.{key}", "config.toml:2", False)]
    assert (f"{section}.{key}", "config.toml:2", True) in said(text, NFLOW_PROFILE="production")


@pytest.mark.parametrize("dsn", ["host=db user=u password=secret dbname=d", "postgres://user:pass@db/d"])
def test_a_sample_password_in_a_dsn_is_found(dsn: str) -> None:
    text = f"{KEY}[database_nflow]\ndriver = 'postgres'\ndsn = '{dsn}'"
    assert said(text, NFLOW_PROFILE="production") == [("database_nflow.dsn", "config.toml:5", True)]
    assert said(text.replace("secret", "secretive").replace(":pass@", ":passage@"), NFLOW_PROFILE="production") == []


def test_production_wants_a_debug_token_and_a_session_key() -> None:
    production = {"NFLOW_PROFILE": "production"}
    assert said(KEY, **production) == []
    assert said(f"{KEY}[debug]\nenabled = true", **production) == [("debug.auth_token", "the default", True)]
    assert said("", **production) == [("session.key", "the default", False)]
    shared = "[pg_session]\nurl = 'postgres://h/d'"
    assert said(shared, **production) == [("session.key", "the default", True)]
