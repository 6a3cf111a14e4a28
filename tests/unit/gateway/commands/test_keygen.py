"""`nflow keygen`: the key alone on standard output, what to do with it on standard error."""

from __future__ import annotations

import base64
import tomllib

from typer.testing import CliRunner

from gateway.cli import app


def test_the_key_alone_is_printed_and_what_to_do_with_it_said_beside() -> None:
    result = CliRunner().invoke(app, ["keygen"])
    assert result.exit_code == 0
    assert len(base64.b64decode(result.stdout.strip(), validate=True)) == 32
    assert "NFLOW_SECURITY_ENCRYPTION_KEY" in result.stderr
    assert result.stdout.strip() not in result.stderr
    assert CliRunner().invoke(app, ["keygen"]).stdout != result.stdout


def test_in_hex_and_with_a_name_that_is_to_be_written_too() -> None:
    result = CliRunner().invoke(app, ["keygen", "--hex", "--id", "2027"])
    assert len(bytes.fromhex(result.stdout.strip())) == 32
    shown = "\n".join(line for line in result.stderr.splitlines() if line.startswith("  "))
    assert tomllib.loads(shown.replace("  ", ""))["security"]["encryption_key_id"] == "2027"
    assert "earlier_keys" in result.stderr


def test_a_name_that_cannot_be_is_exit_code_2() -> None:
    result = CliRunner().invoke(app, ["keygen", "--id", "a b"])
    assert result.exit_code == 2
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
