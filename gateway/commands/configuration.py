"""`nflow config`: check, show, default."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.terminal import Config, Profile, configuration_file, environment, refuse, refuse_intruders

app = typer.Typer(no_args_is_help=True, help="Look at the configuration: check, show, default.")


@app.command()
def check(config: Config = None, profile: Profile = None) -> None:
    """List everything that is wrong with the configuration. Exit code 2 when a server would not start with it."""
    refuse_intruders()
    from gateway.configuration.report import fault_lines
    from gateway.configuration.source import Source

    lines, bad = fault_lines(Source(configuration_file(config), environment(server_profile=profile)))
    typer.echo("\n".join(lines))
    raise typer.Exit(2 if bad else 0)


@app.command()
def show(config: Config = None, profile: Profile = None) -> None:
    """Print the configuration in force, each value with its source. Secrets are shown as ***."""
    refuse_intruders()
    from gateway.configuration.report import effective
    from gateway.configuration.source import Source
    from protocol.errors import BadDocument

    try:
        text = effective(Source(configuration_file(config), environment(server_profile=profile)))
    except BadDocument as error:
        refuse(str(error))
    typer.echo(text, nl=False)


@app.command()
def default(
    profile: Annotated[str, typer.Option(help="development or production: with that profile's defaults.")] = "",
) -> None:
    """Print a configuration file with every key at its default, what it means and its unit."""
    refuse_intruders()
    from protocol.settings.annotated import default_document
    from protocol.settings.profiles import PROFILES

    if profile and profile not in PROFILES:
        refuse(f"{profile!r} is no profile; there are {' and '.join(PROFILES)}")
    typer.echo(default_document(profile), nl=False)
