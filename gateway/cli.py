"""The `nflow` command: serve, check, config, keygen, import, versions, plugins, doctor, version.

Heavy imports stay inside the commands that need them.

Exit codes: 0 done; 1 a check found errors, or the runtime failed; 2 the configuration or the call is wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands import audit, configuration
from gateway.commands.keygen import keygen
from gateway.commands.terminal import (
    Config,
    Profile,
    complain,
    configuration_file,
    environment,
    refuse,
    refuse_intruders,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.configuration.source import Source
    from gateway.runtime import Runtime
    from protocol.errors import Problem
    from protocol.settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="An actor-based runtime for workflows.",
)

app.add_typer(configuration.app, name="config")
app.add_typer(audit.app, name="audit")
app.command()(keygen)

MOST_SHOWN = 20
"""Starts that are shown when a server has started."""


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except Exception as error:  # a bug of ours: one masked traceback without local values, not Python's or typer's own
        from gateway import logs

        log = logs.in_force() or logs.configure()
        log.hooks.program(type(error), error, error.__traceback__)
        logs.let_go()
        sys.exit(1)


@app.command()
def serve(
    config: Config = None,
    app_: Annotated[
        str | None,
        typer.Option("-a", "--app", help="Playbook file, folder of them, or app of nFlow's database (default: app)."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, over server.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port, over server.port; 0: any.")] = None,
    profile: Profile = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show debug lines too.")] = False,
) -> None:
    """Serve playbooks over HTTP until SIGTERM or Ctrl-C; a second one exits at once. SIGHUP reads the configuration."""
    refuse_intruders()
    from gateway import logs
    from gateway.configuration.source import Source

    if sys.platform != "linux":
        # Not quietly, and not unconfined: pidfds, seccomp and Landlock are what the sandboxes are made of.
        refuse("sandboxes need Linux: run it in WSL2, a virtual machine or a container")
    logs.configure(verbose=verbose)

    over = environment(server_host=host, server_port=port, server_profile=profile)
    source = Source(configuration_file(config), over)
    settings = _checked(source)
    _log_as(settings, verbose, source)
    documents, apps = _documents(app_, settings)
    from gateway import runtime

    code = runtime.run(lambda: _serve(settings, source, documents, apps, verbose))
    logs.let_go()
    raise typer.Exit(code)


async def _serve(
    settings: Settings, source: Source, documents: dict[str, Path], apps: tuple[str, ...], verbose: bool
) -> int:
    import asyncio
    import signal

    from gateway import logs
    from gateway.configuration.reload import reload
    from gateway.runtime import Runtime
    from protocol.errors import BadDocument, NflowError

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if asked.is_set():
            logs.flush(0.2)
            os._exit(1)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        runtime = Runtime(settings, documents, apps)
    except NflowError as error:
        complain(str(error))
        return 2 if isinstance(error, BadDocument) else 1
    logs.follow(runtime.live, verbose=verbose)
    loop.add_signal_handler(signal.SIGHUP, reload, source, runtime.live, runtime.assembly.audit)
    try:
        await runtime.start()
    except (NflowError, OSError, RuntimeError) as error:
        complain(str(error))
        await runtime.stop()
        return 1
    _say_what_to_curl(runtime)
    stopped = asyncio.ensure_future(asked.wait())
    await asyncio.wait({stopped, runtime.failed}, return_when=asyncio.FIRST_COMPLETED)
    failed = runtime.failed.done()
    if failed:
        complain(f"the supervision tree gave up: {runtime.failed.result()}")
    stopped.cancel()
    await runtime.stop()
    return 1 if failed else 0


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Playbook files, or folders of them.")],
    config: Config = None,
) -> None:
    """Say everything that is wrong with playbook files and their scripts. Exit code 1 when something would not run."""
    refuse_intruders()
    from actors.modules.defaults import default_sources
    from gateway.checking import check_files

    checked = check_files(_playbooks(files), _settings(config), default_sources())
    for line in checked.unread:
        typer.echo(line, err=True)
    for line in checked.lines():
        typer.echo(line)
    failing = len(checked.failing)
    but = f", {failing} of their scripts cannot run" if failing else ""
    typer.echo(f"{_counted(len(checked.flows))} can be served{but}")
    raise typer.Exit(1 if checked.bad else 0)


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(help="A playbook .json file, a SQLite file, a database's DSN or URL, or `database_nflow`."),
    ],
    config: Config = None,
    app_: Annotated[str, typer.Option("--app", help="Name of a playbook file's app; default: the file's.")] = "",
    driver: Annotated[str, typer.Option(help="postgres, mysql or sqlite3, where the DSN does not say it.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is there already.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied; write nothing.")] = False,
) -> None:
    """Copy apps, modules, templates, queries, users and tokens into our store. Exit code 1 when a flow is bad."""
    refuse_intruders()
    import asyncio

    from actors.modules.defaults import default_sources
    from gateway.importer import Order, import_into_store
    from protocol.errors import BadDocument, NflowError

    settings = _settings(config)
    order = Order(source, app_, driver, replace, dry_run)
    try:
        report = asyncio.run(import_into_store(settings, order, default_sources()))
    except BadDocument as error:
        refuse(str(error))
    except (NflowError, OSError) as error:
        complain(str(getattr(error, "whole", error)))
        raise typer.Exit(1) from None
    if not dry_run:
        _record_import(settings, source, good=not report.bad)
    typer.echo(report.table())
    for name, problem in report.problems:
        where = f"app {name}: " if name else ""
        typer.echo(f"{where}{'error' if problem.fatal else 'warning'}: {problem.path}: {problem.message}")
    if dry_run:
        typer.echo("nothing was written (--dry-run)")
    raise typer.Exit(1 if report.bad else 0)


@app.command()
def versions(
    app_: Annotated[str, typer.Argument(metavar="APP", help="Name of the app.")],
    config: Config = None,
    show: Annotated[int, typer.Option(help="Print the document of this version instead.")] = 0,
) -> None:
    """List the versions of an app that were live, the newest first."""
    refuse_intruders()
    import asyncio

    from gateway.importer import version_document, version_lines
    from protocol.errors import NflowError

    settings = _settings(config)
    try:
        if show:
            document = asyncio.run(version_document(settings, app_, show))
            lines = [document.decode("utf-8", "replace")] if document is not None else []
        else:
            lines = asyncio.run(version_lines(settings, app_))
    except (NflowError, OSError) as error:
        complain(str(getattr(error, "whole", error)))
        raise typer.Exit(1) from None
    if not lines:
        typer.echo(f"nflow: app {app_!r} has no {f'version {show}' if show else 'versions'} in our store", err=True)
        raise typer.Exit(1)
    typer.echo("\n".join(lines))


@app.command()
def plugins(config: Config = None) -> None:
    """List the plugins and what they offer. Exit code 1 when a server would not start with them."""
    refuse_intruders()
    from gateway.assembly.plugins import listing, plugin_roster

    found = plugin_roster(_settings(config))
    typer.echo("\n".join(listing(found)))
    for problem in found.problems:
        typer.echo(f"{'error' if problem.fatal else 'warning'}: {problem}", err=True)
    raise typer.Exit(1 if any(problem.fatal for problem in found.problems) else 0)


@app.command()
def doctor(config: Config = None) -> None:
    """Look at what this machine offers: engine, confinement, packages, clock, store."""
    refuse_intruders()
    from gateway.doctor import examine

    bad = False
    for finding in examine(_settings(config)):
        mark = "ok  " if finding.good else ("FAIL" if finding.fatal else "warn")
        bad = bad or (finding.fatal and not finding.good)
        typer.echo(f"{mark}  {finding.name:12} {finding.text}")
    raise typer.Exit(1 if bad else 0)


@app.command()
def version() -> None:
    """Print the version."""
    from gateway.version import VERSION

    typer.echo(VERSION)


def _settings(config: Path | None) -> Settings:
    from protocol.errors import BadDocument
    from protocol.settings import Settings

    try:
        settings, warnings = Settings.load(configuration_file(config), environment())
    except BadDocument as error:
        refuse(str(error))
    _warn(warnings)
    return settings


def _record_import(settings: Settings, source: str, *, good: bool) -> None:
    """For the audit. That it cannot be written is said, and undoes nothing."""
    from gateway.assembly.audit import record_command
    from protocol.observation.auditing import AuditKind, Outcome

    try:
        record_command(settings, AuditKind.FLOW, f"import {source}", Outcome.DONE if good else Outcome.FAILED)
    except OSError as error:
        complain(f"the audit cannot be written: {error.strerror}")


def _log_as(settings: Settings, verbose: bool, source: Source) -> None:
    """From here on the log is as the configuration says, and what nobody catches is in it."""
    import structlog

    from gateway import logs
    from protocol.errors import BadDocument

    try:
        logs.configure(logs.log_settings(settings, verbose=verbose)).hooks.set()
    except BadDocument as error:
        refuse("\n".join(str(problem) for problem in error.problems))
    structlog.get_logger("configuration").debug(f"Loaded configuration from {source.path or 'no file'}")


def _checked(source: Source) -> Settings:
    """The settings of a server: what only its parts can tell is looked at too."""
    from protocol.errors import BadDocument

    try:
        settings, warnings = source.read().valid()
    except BadDocument as error:
        refuse(str(error))
    _warn(warnings)
    return settings


def _warn(warnings: Iterable[Problem]) -> None:
    for warning in warnings:
        complain(f"warning: {warning}")


def _documents(name: str | None, settings: Settings) -> tuple[dict[str, Path], tuple[str, ...]]:
    """App name → file, where a folder stands for all playbooks in it; and the apps of nFlow's database."""
    path = Path(name or "app")
    if name and path.is_dir():
        if not any(path.glob("*.json")):
            refuse(f"{path} holds no .json file")
        return {path.name: path}, ()  # watched: files may come and go
    if name and path.is_file():
        if _is_sqlite(path):
            refuse(f"{path} is a SQLite database: name it by [database_nflow], or copy it with `nflow import {path}`")
        return {path.stem: path}, ()
    if name and (path.suffix == ".json" or "/" in name):
        return refuse(f"{path}: there is no such file")
    if settings.database_nflow.driver:
        return {}, (name or "app",)
    if name:
        return refuse(f"app {name!r}: there is no [database_nflow] to find it in; give -a FILE.json, or a folder")
    return {}, ()


def _playbooks(named: list[Path]) -> Iterator[Path]:
    """The files, and those of the folders: what `serve -a` would take of each."""
    for path in named:
        if path.is_dir():
            found = sorted(path.glob("*.json"))
            yield from found or refuse(f"{path} holds no .json file")
        else:
            yield path


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:  # told with the other problems of documents
        return False


def _say_what_to_curl(runtime: Runtime) -> None:
    flows = runtime.catalogue.flows
    lines = [f"nflow serves {_counted(len(flows))} at {runtime.url}{'. Try:' if flows else ''}"]
    if not flows and not runtime.catalogue.problems:
        lines.append(
            "  give -a FILE.json or a folder, configure [database_nflow], or bring flows in with `nflow import`"
        )
    starts = [start for flow in flows for start in flow.starts]
    for start in starts[:MOST_SHOWN]:
        method = "" if start.method in {"GET", "ANY"} else f"-X {start.method} "
        lines.append(f"  curl {method}'{runtime.url}{start.pattern.replace(':', '')}'")
    if len(starts) > MOST_SHOWN:
        lines.append(f"  … and {len(starts) - MOST_SHOWN} more")
    try:
        typer.echo("\n".join(lines))
    except OSError:  # nobody reads it; Python would trip over the rest of the text at its end once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _counted(flows: int) -> str:
    return "1 flow" if flows == 1 else f"{flows} flows"
