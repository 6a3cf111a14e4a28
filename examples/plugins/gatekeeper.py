"""An authenticator: takes the place of `auth()` for every start that asks for a login (`nflow_auth`).

It lets in who shows a key it knows, as `Authorization: Bearer KEY`; browsers are sent to a login page. One plugin of a
server may authenticate, so this one is chosen by name: see `docs/plugins.md`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from nflow_runtime import Context, Plugin, Redirect, RequestView, User


@dataclass
class Settings:
    """`[plugin.gatekeeper]`."""

    login_page: str = "/login"
    keys: dict[str, str] = field(default_factory=dict)
    """User name → key, in the table `[plugin.gatekeeper.keys]`."""


class Gatekeeper(Plugin):
    """Knows keys."""

    Config = Settings

    async def start(self, config: Settings) -> None:
        """Keep the configuration."""
        self.config = config

    async def authenticate(self, request: RequestView, context: Context) -> User | Redirect | None:
        """Who is it? A `User` is let in and becomes the session's profile; None is 401."""
        scheme, _, shown = request.header("authorization").partition(" ")
        if scheme.lower() == "bearer":
            for name, key in self.config.keys.items():
                if hmac.compare_digest(shown.strip().encode(), key.encode()):
                    return User({"username": name, "by": "key"})
            return None
        known = await context.session.profile()
        if known is not None:
            return User(known)
        return Redirect(self.config.login_page) if "text/html" in request.header("accept") else None
