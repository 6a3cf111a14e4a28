"""T29: configuration garbage. Whatever is in a file and the environment: settings, or errors with key and source."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

from gateway.configuration.source import Source
from protocol.errors import BadDocument, Problem
from protocol.settings import known_keys
from tests.torture.row import LONG, tell

ROUNDS = 1_000 if LONG else 150
THROUGH_THE_COMMAND = 40 if LONG else 10
CANARY = "CaNaRy"
"""Every text that is a value has it; no name has."""
ERROR = re.compile(r"[^\s:][^\n]*?: [^\n]+")
SOURCED = re.compile(r"\(from (the default|profile \w+|config\.(toml|json)(:\d+)?|[A-Z][\\\w]*|.* and DB_HOST)\)\Z")
"""What follows an error of a key."""
OF_THE_FILE = re.compile(r"(\S*/)?config\.(toml|json): ")
KEYS = [(section, key) for section, keys in known_keys().items() for key in keys or ("name",)]
SECRET = f"{CANARY}-0123456789abcdef"


def garbage(dice: random.Random) -> str:
    """A value as TOML might have it."""
    text = json.dumps(SECRET + dice.choice(("", "\u2028", "é", "'", "://x:y@z", " ", "," * 30)), ensure_ascii=False)
    return dice.choice(
        (
            text, text, text, f"[{text}, {text}]", f"{{ a = {text} }}", f"[[{text}], [1]]",
            f'"""\n{SECRET}\n[server]\n"""',
            "nan", "-inf", "inf", "1e400", "-1", "0", "1", "1.5", "true", "false", "null", "9" * 30, "9" * 6_000,
            "-" + "9" * 25, "0xFFFFFFFFFFFFFFFFFF", "2020-01-01", "12:00:00", "[]", "{}", '""', "'", '"', '"""', "[",
            "[" * 2_000, "{a=" * 500, '"\\u0000"', '"\\uD800"', "1_000", "\x00", "\x1b[31m", "",
        )
    )  # fmt: skip


def name(dice: random.Random) -> str:
    """A name of a key or section that nobody knows."""
    return dice.choice(
        ("x", "prot", '"a b"', '""', '"\\u001b[2J"', '"a\\nb"', "é", "a.b.c", ".".join("a" * 200),
         '"' + "k" * 5_000 + '"',
         "'=' ", "mongo", "__class__", "port", '"server.port"', "-", "1")
    )  # fmt: skip


def line(dice: random.Random) -> str:
    """One table with one key of it."""
    section, key = dice.choice(KEYS)
    match dice.randrange(9):
        case 0:
            return f"[{name(dice)}]\n{key} = {garbage(dice)}\n"
        case 1:
            return f"[{section}]\n{name(dice)} = {garbage(dice)}\n"
        case 2:
            return f"{section} = {garbage(dice)}\n"
        case 3:
            return f"[{section}]\n{key} = {garbage(dice)}\n{key} = {garbage(dice)}\n"
        case 4:
            return f"[[{section}]]\n{key} = {garbage(dice)}\n"
        case 5:
            return f"[{section}.{key}]\n{name(dice)} = {garbage(dice)}\n"
        case 6:
            return f"[{section.upper()}]\n{key.title()} = {garbage(dice)}\n"
        case _:
            return f"[{section}]\n{key} = {garbage(dice)}\n"


def toml(dice: random.Random) -> bytes:
    """A file."""
    data = "".join(line(dice) for _ in range(dice.randrange(4))).encode("utf-8", "surrogatepass")
    match dice.randrange(12):
        case 0:
            return b"\xef\xbb\xbf" + data
        case 1:
            return data.decode("utf-8", "replace").encode("utf-16")
        case 2:
            return data[: dice.randrange(len(data) + 1)]
        case 3:
            return data + bytes(dice.randrange(256) for _ in range(20))
        case 4:
            return data.replace(b"\n", b"\r\n")
        case _:
            return data


def flowrunner(dice: random.Random) -> bytes:
    """A `config.json`."""
    sections = ("server", "storage", "auth", "logging", "plugins", "tls", "nobody", "Server", "\x1b[2J")
    keys = ("host", "port", "tls", "type", "jwt_secret", "encryption_key", "level", "postgres", "x", "enabled")
    values = (
        SECRET,
        None,
        True,
        -1,
        1e300,
        [SECRET],
        {"cert_file": SECRET, "enabled": True},
        {"password": SECRET},
        10**30,
    )
    tree = {dice.choice(sections): dice.choice(({dice.choice(keys): dice.choice(values)}, *values)) for _ in range(3)}
    text = json.dumps(tree)
    return dice.choice((text, text, text, text[:-1], f"[{text}]", text.replace("null", "NaN"), "[" * 5_000)).encode()


def variables(dice: random.Random) -> dict[str, str]:
    """An environment, as the system can hand it over."""
    env = {}
    for _ in range(dice.randrange(4)):
        section, key = dice.choice(KEYS)
        written = f"NFLOW_{section}_{key}".upper()
        variable = dice.choice(
            (written, written, written, f"{written}_FILE", f"{written}X", f"NFLOW_{key.upper()}", "DB_HOST",
             "REDIS_HOST",
             "NFLOW_PROFILE", "NFLOW_", "NFLOW__", "NFLOW_PLUGIN_SHOP", "NFLOW_PLUGIN_", "FLOWRUNNER_SERVER_PORT",
             "FLOWRUNNER_JWT_SECRET", "FLOWRUNNER_", "NFLOW_\udcff_X", "NFLOW_SERVER_\n", "NFLOW_MONGO_URL")
        )  # fmt: skip
        value = dice.choice(
            (SECRET, "", "1", "true", "nan", "1e999", "9" * 5_000, "\udcff\udcfe", f'{{"a": "{SECRET}"}}', f"[{SECRET}",
             f"{{a = '{SECRET}'}}", "/nonexistent", "/", "/dev/null", "production", "development", "{" * 900)
        )  # fmt: skip
        env[variable] = value.replace("\0", "")
    return env


def case(seed: int, folder: Path) -> tuple[Path | None, dict[str, str]]:
    """A file and an environment."""
    dice = random.Random(seed)
    file = folder / ("config.json" if dice.random() < 0.15 else "config.toml")
    file.write_bytes((flowrunner if file.suffix == ".json" else toml)(dice))
    return file if dice.random() < 0.9 else None, variables(dice) if dice.random() < 0.6 else {}


def examine(problems: tuple[Problem, ...]) -> None:
    """What every error and warning has to be."""
    for problem in problems:
        text = str(problem)
        assert ERROR.fullmatch(text), text
        assert text.isprintable(), text
        assert len(text) < 600, text
        assert CANARY.casefold() not in text.casefold(), text
        if problem.fatal:
            assert OF_THE_FILE.match(text) or SOURCED.search(text), text


def test_a_thousand_configurations_are_settings_or_errors_with_their_key_and_source(tmp_path: Path) -> None:
    refused = told = 0
    began = time.monotonic()
    for seed in range(ROUNDS):
        path, env = case(seed, tmp_path)
        try:
            loaded = Source(path, env).read()
        except BadDocument as error:
            problems: tuple[Problem, ...] = error.problems
        else:
            problems = loaded.problems
            assert loaded.settings is not None or any(problem.fatal for problem in problems)
        examine(problems)
        refused += any(problem.fatal for problem in problems)
        told += len(problems)
    assert ROUNDS / 3 < refused < ROUNDS
    seconds = time.monotonic() - began
    tell(
        "T29",
        "configurations",
        f"{ROUNDS}, {refused} refused, {told} problems, {seconds:.1f} s, no traceback, no secret",
    )


def test_the_command_ends_with_2_and_says_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for seed in range(10_000, 10_000 + THROUGH_THE_COMMAND):
        path, env = case(seed, tmp_path)
        problems, bad = outcome(Source(path, env))
        command = ["serve"] if bad and seed % 2 else ["config", "check"]
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *command, *(("-c", str(path)) if path is not None else ())],
            capture_output=True, timeout=60, check=False, cwd=folder,
            env={**{key: value for key, value in os.environ.items() if not key.startswith("NFLOW_")}, **env},
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == (2 if bad else 0), said
        assert "Traceback" not in said
        assert CANARY.casefold() not in said.casefold()
        assert all(str(problem) in said for problem in problems if problem.fatal), said
    tell("T29", "through the command", f"{THROUGH_THE_COMMAND}, exit 2 for each that is refused")


def outcome(source: Source) -> tuple[tuple[Problem, ...], bool]:
    """The problems, and whether one is an error."""
    try:
        problems = source.read().problems
    except BadDocument as error:
        problems = error.problems
    return problems, any(problem.fatal for problem in problems)
