"""`nflow audit`: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.terminal import complain, refuse_intruders

app = typer.Typer(no_args_is_help=True, help="Look at the audit, the file of security events.")


@app.command()
def verify(
    files: Annotated[list[Path], typer.Argument(help="Files of the audit, the oldest first.")],
    head: Annotated[str, typer.Option(help="The last line's digest, as the log told it.")] = "",
) -> None:
    """Follow the chain of lines. Exit code 1 when something was changed, cut or put in."""
    refuse_intruders()
    from actors.auditing.chain import NOTHING_BEFORE, verify

    before, bad = None, False
    for file in files:
        try:
            with file.open("rb") as lines:
                found = verify((line.removesuffix(b"\n") for line in lines), before)
        except OSError as error:
            complain(f"{file}: cannot be read: {error.strerror}")
            raise typer.Exit(1) from None
        for text in (*found.problems, *found.notes):
            typer.echo(f"{file}: {text}")
        if before is None and found.begins != NOTHING_BEFORE and found.lines:
            typer.echo(f"{file}: goes on with a file that ended with {found.begins}")
        typer.echo(f"{file}: {found.lines} lines, the last one is number {found.head.seq}, {found.head.digest}")
        bad, before = bad or bool(found.problems), found.head.digest
    if head and head != before:
        typer.echo(f"the last line should be {head}: lines are missing, or were changed")
        bad = True
    typer.echo("broken" if bad else "whole")
    raise typer.Exit(1 if bad else 0)
