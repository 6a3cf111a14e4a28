"""How commands speak to who typed them: complaints go to standard error, and a wrong call is exit code 2."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

Config = Annotated[
    Path | None, typer.Option("-c", "--config", help="Configuration file, .toml or .json; default: ./config.toml.")
]
Profile = Annotated[str | None, typer.Option(help="development or production: other defaults of some keys.")]


def complain(why: str) -> None:
    """Say what is wrong, a line each, without secrets."""
    from gateway import logs

    for line in logs.clean(why).splitlines():
        typer.echo(f"nflow: {line}", err=True)


def refuse(why: str) -> NoReturn:
    """Say what is wrong and end with exit code 2."""
    complain(why)
    raise typer.Exit(2)


def refuse_intruders() -> None:
    """Before anything of ours is imported that an intruder may have replaced."""
    from gateway.ownership import intruders

    if others := intruders():
        for line in others:
            typer.echo(f"nflow: {line}", err=True)
        raise typer.Exit(2)


def configuration_file(config: Path | None) -> Path | None:
    """The file that is meant: the one that was named, else ./config.toml where there is one."""
    default = Path("config.toml")
    return config if config is not None else default if default.exists() else None


def environment(**over: object) -> Mapping[str, str]:
    """The process's variables with what the command line says over them; None: it says nothing.

    `server_port=1` stands for NFLOW_SERVER_PORT.
    """
    given = {f"NFLOW_{name.upper()}": str(value) for name, value in over.items() if value is not None}
    return {**os.environ, **given}
