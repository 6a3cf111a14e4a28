"""All ways out of one server: the doors, the actors that keep them, and what scripts and nodes get of them.

The doors can be handed around before they are open; a call that comes too early is `Unavailable`. The keepers belong at
the beginning of the tree, so that whoever uses a door, sessions in Redis among them, starts after it and stops before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.functions.ai import AiFunctions, AiSettings, Render
from actors.functions.caller import HostFunction
from actors.functions.http import HttpFunctions
from actors.functions.mail import MailFunctions, ReadFile
from actors.functions.redis import RedisFunctions
from actors.functions.twilio import TwilioFunctions, TwilioSettings
from actors.guards.addresses import AddressGuard
from actors.kernel import Backoff, ChildSpec
from actors.nodes.http import HttpNode
from actors.nodes.mail import MailNode, Page
from actors.nodes.registry import NodeKind
from actors.reach.http_client import HttpClient, HttpSettings
from actors.reach.keeper import kept
from actors.reach.mailer import Mailer, MailSettings
from actors.reach.postman import LetterBox, Postman
from actors.reach.redis_client import RedisDoor, RedisSettings


@dataclass(frozen=True, slots=True)
class ReachSettings:
    """The settings of each way."""

    http: HttpSettings = field(default_factory=HttpSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    ai: AiSettings = field(default_factory=AiSettings)
    twilio: TwilioSettings = field(default_factory=TwilioSettings)


class Reach:
    """The doors."""

    __slots__ = ("_settings", "http", "letter_box", "mailer", "redis")

    def __init__(self, settings: ReachSettings) -> None:
        """Raises BadDocument when `[redis] host` cannot be one."""
        self._settings = settings
        self.http = HttpClient(settings.http)
        self.redis = RedisDoor(settings.redis)
        self.mailer = Mailer(settings.mail)
        self.letter_box = LetterBox()

    @property
    def guard(self) -> AddressGuard:
        """The judge of the addresses that scripts and nodes reach."""
        return self._settings.http.guard

    def children(self) -> list[ChildSpec]:
        """Who keeps the doors; the postman has one mail's time to empty his box."""
        box, mailer = self.letter_box, self.mailer
        leaving = self._settings.mail.timeout_seconds + 1.0
        return [
            kept("redis", self.redis),
            kept("http-client", self.http),
            kept("mailer", mailer),
            ChildSpec("postman", lambda: Postman(box, mailer), shutdown_seconds=leaving, backoff=Backoff(0.1, 5.0)),
        ]

    def functions(self, render: Render, read_file: ReadFile | None = None) -> Mapping[str, HostFunction]:
        """The host functions that reach out. `render`: mustache; `read_file`: files that mails may carry."""
        return {
            **HttpFunctions(self.http).functions(),
            **AiFunctions(self.http, self._settings.ai, render).functions(),
            **TwilioFunctions(self.http, self._settings.twilio).functions(),
            **MailFunctions(self.mailer, self.letter_box, read_file).functions(),
            **RedisFunctions(self.redis, self._settings.http.enabled).functions(),
        }

    def kinds(self, page: Page | None = None) -> Mapping[str, NodeKind]:
        """The node kinds that reach out. `page`: stored templates, for mails."""
        return {"http": HttpNode(self.http).run, "mail": MailNode(self.mailer, page).run}
