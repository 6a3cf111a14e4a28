"""`nflow keygen`: a new key for `[security] encryption_key`.

The key alone goes to standard output, so that it can be piped into a file or a secret store; what to do with it, to
standard error.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.terminal import refuse


def keygen(
    hexadecimal: Annotated[bool, typer.Option("--hex", help="64 hex digits instead of base64.")] = False,
    key_id: Annotated[
        str, typer.Option("--id", help="Name of the key, written with what it encrypts; needed to change keys later.")
    ] = "",
) -> None:
    """Make a key of 32 random bytes for security.encryption_key."""
    from actors.guards.encryption import Keyring, new_key
    from protocol.errors import BadDocument

    key = new_key(hexadecimal=hexadecimal)
    try:
        Keyring(key, key_id)
    except BadDocument as error:
        refuse(f"--id {error.problems[0].message}")
    typer.echo(key)
    lines = [
        "Keep it secret, and keep a copy: what it encrypts cannot be read without it.",
        "Put it into the environment as NFLOW_SECURITY_ENCRYPTION_KEY, or into the configuration:",
        "  [security]",
        '  encryption_key = "<the key above>"',
    ]
    if key_id:
        lines += [
            f'  encryption_key_id = "{key_id}"',
            "A key that was there before goes into security.earlier_keys (NFLOW_SECURITY_EARLIER_KEYS) as id:key, or",
            ":key where it had no id: from then on it only reads.",
        ]
    typer.echo("\n".join(lines), err=True)
