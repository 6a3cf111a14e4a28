"""Where values come from: the file, the profile, the manuals' literal names, NFLOW_…, files of secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from protocol.configuration import places
from protocol.errors import BadDocument
from protocol.settings import Loaded, Settings
from protocol.settings.annotated import default_document, effective_document
from protocol.settings.profiles import PROFILES


def read(text: str = "", **env: str) -> Loaded:
    return Settings.examine(text, "config.toml", env)


def settings(text: str = "", **env: str) -> Settings:
    return read(text, **env).valid()[0]


def said(text: str = "", **env: str) -> list[str]:
    try:
        return [str(problem) for problem in read(text, **env).problems]
    except BadDocument as error:
        return str(error).splitlines()


# --- lines ---


def test_keys_are_found_where_they_are_written() -> None:
    text = '''# port = 1
a = 1
[server]   # here
port = 1
 "host"  = "x"
text = """
[redis]
host = 1
"""
[ security . rules ]
x.y = 1
list = [
  "z",
]
end = 2
'''
    assert places(text) == {
        ("a",): 2, ("server",): 3, ("server", "port"): 4, ("server", "host"): 5, ("server", "text"): 6,
        ("security",): 10, ("security", "rules"): 10, ("security", "rules", "x"): 11,
        ("security", "rules", "x", "y"): 11,
        ("security", "rules", "list"): 12, ("security", "rules", "end"): 15,
    }  # fmt: skip


def test_keys_that_slipped_under_a_pattern_table_have_their_line() -> None:
    (line,) = said("[security]\n[security.custom_patterns]\nlog_show_type = 3\n")
    assert line.startswith("security.log_show_type: ")
    assert line.endswith("(from config.toml:3)")


# --- variables ---


def test_lists_and_tables_are_written_as_json_or_toml() -> None:
    for value in ('["a", "b"]', "['a', 'b']", "a, b", " a ,b,"):
        assert settings(NFLOW_SECURITY_ALLOWED_PATTERNS=value).security.allowed_patterns == ("a", "b")
    for value in ('{"x": "y"}', "{x = 'y'}"):
        assert settings(NFLOW_SECURITY_CUSTOM_PATTERNS=value).security.custom_patterns == {"x": "y"}
    assert settings("[security.rules]\na = 'b'", NFLOW_SECURITY_RULES="{}").security.rules == {}
    (line,) = said(NFLOW_SECURITY_RULES="CANARY")
    assert line.startswith("security.rules: Input should be a valid dict")
    assert "CANARY" not in line


def test_a_plugins_table_and_its_keys_can_be_set() -> None:
    text = "[plugin.shop]\nApi_Key = 'file'\nlimit = 3\n[plugin.shop_two]\na = 1"
    found = settings(text, NFLOW_PLUGIN_SHOP_API_KEY="variable", NFLOW_PLUGIN_SHOP_NEW="n", NFLOW_PLUGIN_SHOP_TWO_A="2")
    assert found.plugin.model_extra == {
        "shop": {"Api_Key": "variable", "limit": 3, "new": "n"}, "shop_two": {"a": "2"},
    }  # fmt: skip
    assert settings(text, NFLOW_PLUGIN_SHOP="{b = 1}").plugin.model_extra == {"shop": {"b": 1}, "shop_two": {"a": 1}}
    assert settings(NFLOW_PLUGIN_MAIL='{"a": [1]}').plugin.model_extra == {"mail": {"a": [1]}}
    assert said(NFLOW_PLUGIN_FOLDR="x") == [
        "plugin.foldr: unknown key; the nearest known one is plugin.folder (from NFLOW_PLUGIN_FOLDR)"
    ]


def test_a_value_can_be_in_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes("geheim ü\r\n".encode())
    found = read(
        "[plugin.shop]\nlimit = 3", NFLOW_SECURITY_ENCRYPTION_KEY_FILE=str(key), NFLOW_DATABASE_DSN_FILE=str(key),
        NFLOW_PLUGIN_SHOP_KEY_FILE=str(key),
    )  # fmt: skip
    assert found.settings is not None
    assert found.settings.security.encryption_key.get_secret_value() == "geheim ü"
    assert found.settings.plugin.model_extra == {"shop": {"limit": 3, "key": "geheim ü"}}
    assert found.origins["security.encryption_key"] == "NFLOW_SECURITY_ENCRYPTION_KEY_FILE"
    assert [str(problem) for problem in found.problems] == [
        "database_nflow.dsn: needs its driver beside it, postgres, sqlite3 or mysql, or is a URL such as postgres://… "
        "(from NFLOW_DATABASE_DSN_FILE)"
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"x" * (1 << 20 | 1), "larger than 1 MiB"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_key_and_variable(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    assert said(NFLOW_REDIS_PASSWORD_FILE=str(file)) == [
        f"redis.password: its file cannot be read: {reason} (from NFLOW_REDIS_PASSWORD_FILE)"
    ]


def test_a_value_and_its_file_together_are_an_error() -> None:
    assert said(NFLOW_REDIS_PASSWORD="a", NFLOW_REDIS_PASSWORD_FILE="/etc/hostname") == [
        "redis.password: is set by NFLOW_REDIS_PASSWORD too: one of them must go (from NFLOW_REDIS_PASSWORD_FILE)"
    ]


def test_names_of_env_stay_as_they_are() -> None:
    assert settings(NFLOW_ENV_KEY_FILE="/x").env == {"KEY_FILE": "/x"}


@pytest.mark.parametrize(
    ("dsn", "other"),
    [
        ("host=localhost user=u password='a b' dbname=d", "host=db user=u password='a b' dbname=d"),
        ("user=u host='local host'", "user=u host=db"),
        ("password='host=x' host=a", "password='host=x' host=db"),
        ("postgres://u:p@localhost:5433/d?sslmode=disable", "postgres://u:p@db:5433/d?sslmode=disable"),
        ("postgres://[::1]/d", "postgres://db/d"),
        ("u:p@tcp(localhost:3306)/d", "u:p@tcp(db:3306)/d"),
    ],
)
def test_db_host_stands_for_the_host_of_the_files_dsn(dsn: str, other: str) -> None:
    found = read(f'[database_nflow]\ndriver = "postgres"\ndsn = """{dsn}"""', DB_HOST="db")
    assert found.settings is not None
    assert found.settings.database_nflow.dsn.get_secret_value() == other
    assert found.origins["database_nflow.dsn"] == "config.toml:3 and DB_HOST"


def test_db_host_without_a_dsn_to_put_it_in_is_a_warning() -> None:
    for text in ("", "[database_nflow]\ndriver = 'sqlite3'\ndsn = 'app.sqlite'"):
        assert said(text, DB_HOST="db") == ["DB_HOST: database_nflow.dsn has no host that it could replace; ignored"]


def test_nflows_names_go_before_the_literal_ones() -> None:
    text = "[redis]\nhost = 'file'\n[database_nflow]\ndsn = 'postgres://file/d'"
    found = settings(text, REDIS_HOST="redis", DB_HOST="db")
    assert (found.redis.host, found.database_nflow.dsn.get_secret_value()) == ("redis", "postgres://db/d")
    found = settings(
        text, REDIS_HOST="redis", DB_HOST="db", NFLOW_REDIS_HOST="r:1", NFLOW_DATABASE_DSN="postgres://n/d"
    )
    assert (found.redis.host, found.database_nflow.dsn.get_secret_value()) == ("r:1", "postgres://n/d")


# --- profiles ---


def test_a_profile_changes_defaults_and_nothing_that_is_written() -> None:
    found = read("[server]\nprofile = 'development'\n[vm_pool]\nmax_size = 32", NFLOW_LOG_LEVEL="info")
    assert found.settings is not None
    assert found.settings.debug.enabled
    assert not found.settings.security.block_on_high_severity
    assert (found.settings.vm_pool.max_size, found.settings.vm_pool.preload_size) == (32, 2)
    assert found.settings.log.level == "info"
    assert found.origins["vm_pool.preload_size"] == "profile development"
    assert found.origins["vm_pool.max_size"] == "config.toml:4"


def test_a_profile_is_named_by_file_variable_or_short_variable() -> None:
    assert settings(NFLOW_PROFILE="production").log.format == "json"
    assert settings("[server]\nprofile = 'development'", NFLOW_PROFILE="production").server.profile == "production"
    assert settings(NFLOW_PROFILE="production", NFLOW_SERVER_PROFILE="").server.profile == ""
    assert said(NFLOW_PROFILE="prod") == [
        "server.profile: Input should be '', 'development' or 'production' (from NFLOW_PROFILE)"
    ]


def test_production_counts_in_redis_where_there_is_one() -> None:
    assert settings(NFLOW_PROFILE="production").rate_limit.backend == "memory"
    found = settings(NFLOW_PROFILE="production", REDIS_HOST="redis")
    assert (found.rate_limit.enabled, found.rate_limit.backend) == (True, "redis")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profiles_file_is_that_profile(profile: str) -> None:
    assert settings(default_document(profile)) == settings(NFLOW_PROFILE=profile)


# --- Flowrunner ---


def flowrunner(text: str, **env: str) -> Loaded:
    return Settings.examine(text, "config.json", env)


def test_flowrunners_file_is_read() -> None:
    loaded = flowrunner(
        """{"server": {"host": "0.0.0.0", "port": 9000, "tls": {"enabled": false, "cert_file": "c", "key_file": "k"}},
        "storage": {"type": "postgres", "postgres": {"password": "CANARY", "port": 5432, "host": "localhost"}},
        "auth": {"jwt_secret": "CANARY", "token_expiration": 24, "encryption_key": "00"},
        "logging": {"level": "warning", "format": "json", "output": "file", "file_path": "/var/log/x"},
        "plugins": {"directory": "./plugins", "auto_load": false}}"""
    )
    found = loaded.settings
    assert found is not None
    assert (found.server.host, found.server.port, found.server.tls_cert) == ("0.0.0.0", 9000, "")
    assert found.security.encryption_key.get_secret_value() == "00"
    assert (found.log.level, found.log.format, found.log.output) == ("warn", "json", "/var/log/x")
    assert [str(problem) for problem in loaded.problems] == [
        "storage.type: known to Flowrunner, not yet in force (from config.json)",
        "storage.postgres.password: known to Flowrunner, not yet in force (from config.json)",
        "auth.jwt_secret: known to Flowrunner, not yet in force (from config.json)",
        "plugins.auto_load: does nothing, here as in Flowrunner (from config.json)",
    ]
    assert not any(problem.fatal for problem in loaded.problems)


def test_flowrunners_tls_needs_to_be_on() -> None:
    text = '{"server": {"tls": {"enabled": true, "cert_file": "c", "key_file": "k"}}}'
    found = flowrunner(text).settings
    assert found is not None
    assert (found.server.tls_cert, found.server.tls_key) == ("c", "k")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[]", "config.json: must be an object, as Flowrunner's config.json is"),
        ('{"server": 3}', "server: must be an object (from config.json)"),
        ('{"server": {"prt": 3}}',
         "server.prt: unknown to Flowrunner; the nearest key it knows is server.port (from config.json)"),
        ('{"server": {"port": true}}', "server.port: Input should be a number, not a boolean (from config.json)"),
    ],
)  # fmt: skip
def test_an_error_of_flowrunners_file_is_told_with_its_key(text: str, line: str) -> None:
    with pytest.raises(BadDocument) as refused:
        flowrunner(text).valid()
    assert str(refused.value) == line


def test_flowrunners_variables_go_before_files_and_after_nflows() -> None:
    found = settings(
        "[server]\nport = 1", FLOWRUNNER_SERVER_PORT="2", FLOWRUNNER_SERVER_HOST="0.0.0.0", NFLOW_SERVER_HOST="::1"
    )
    assert (found.server.host, found.server.port) == ("::1", 2)
    assert said(FLOWRUNNER_JWT_SECRET="CANARY", FLOWRUNNER_TOKEN_EXPIRATION="24", FLOWRUNNER_COLOUR="CANARY") == [
        "FLOWRUNNER_COLOUR: no variable of Flowrunner's; ignored",
        "auth.jwt_secret: known to Flowrunner, not yet in force (from FLOWRUNNER_JWT_SECRET)",
    ]


# --- what is in force ---


def test_what_is_in_force_is_shown_with_its_sources_and_without_secrets() -> None:
    loaded = read(
        "[env]\ntoken = 'CANARY'\n[plugin.shop]\nkey = 'CANARY'\nlimit = 3\n[redis]\npassword = 'CANARY'\n[server]\n"
        "port = 81\n[database]\nurl = 'postgres://u:CANARY@h/d'\n[security.rules]\n'a b' = '\"\\d'",
        NFLOW_PROFILE="production", NFLOW_SERVER_HOST="::1",
    )  # fmt: skip
    found, _ = loaded.valid()
    shown = effective_document(found, loaded.origins)
    assert "CANARY" not in shown + repr(found) + repr(loaded)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    for line in (
        'host = "::1" # NFLOW_SERVER_HOST',
        "port = 81 # config.toml:9",
        'log_masking_char = "*" # default',
        "enabled = true # profile production",
        'password = "***" # config.toml:7',
        'url = "***" # config.toml:11',
        'token = "***" # config.toml:2',
        'key = "***"',
        "limit = 3",
    ):
        assert line in lines, line
    tree = tomllib.loads(shown)
    assert tree["security"]["rules"] == {"a b": '"\\d'}
    assert tree["redis"]["host"] == ""
