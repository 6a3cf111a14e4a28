"""What nFlow parses and never uses."""

from __future__ import annotations

from pydantic import SecretStr

from protocol.settings.key import NO_SECRET, Section, setting


class UnusedUrl(Section):
    """Unused, as in nFlow."""

    url: SecretStr = setting(NO_SECRET, "unused, as in nFlow")


class Https(Section):
    """Unused, as in nFlow."""

    enable: bool = setting(False, "unused, as in nFlow")
    cert: str = setting("", "unused, as in nFlow")
    key: str = setting("", "unused, as in nFlow")
    address: str = setting("", "unused, as in nFlow")
    description: str = setting("", "unused, as in nFlow")
    httpbasic: bool = setting(False, "unused, as in nFlow")
