"""What a command says of its own failure holds no secret and no local values."""

from __future__ import annotations

import pytest
import typer

from gateway import cli, logs
from gateway.commands.terminal import complain


def test_a_bug_in_a_command_is_one_masked_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = typer.Typer()

    @broken.command()
    def fails() -> None:
        password = "hunter" + str(22)
        raise RuntimeError(f"cannot reach postgres://u:{password}@db/x")

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr("sys.argv", ["nflow"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    logs.flush()
    err = capsys.readouterr().err
    assert ended.value.code == 1
    assert "[CRITICAL] the program ends: nobody caught an exception" in err
    assert "RuntimeError: cannot reach postgres://u:[REDACTED:password]@db/x" in err
    assert err.count("Traceback") == 1
    assert "hunter22" not in err


def test_complaints_hide_secrets_and_keep_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    complain("redis.password: must be a text\nmysql://u:hunter22@10.0.0.1/x is out of reach")
    assert capsys.readouterr().err == (
        "nflow: redis.password: must be a text\nnflow: mysql://u:[REDACTED:password]@10.0.0.1/x is out of reach\n"
    )
