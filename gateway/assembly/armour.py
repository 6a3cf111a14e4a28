"""The gateway's armour from the settings."""

from __future__ import annotations

from actors.sandbox.pool import PoolFigures
from gateway.armour.answer_headers import AnswerHeaders, security_lines
from gateway.armour.armour import Armour
from gateway.armour.certificate import Certificate
from gateway.armour.cors import Cors, CorsSettings
from gateway.armour.inflight import InFlight
from gateway.armour.shedding import Shedding
from protocol.settings import Settings


def make_armour(settings: Settings, pool: PoolFigures, *, listen: bool) -> Armour:
    """`pool`: tells how long a script would wait."""
    server = settings.server
    cors = make_cors(settings)
    lines = security_lines(wanted=server.security_headers, tls=listen and bool(server.tls_cert))
    return Armour(
        InFlight(server.max_inflight_mb << 20), AnswerHeaders(lines, cors), cors, Shedding(pool, server.wait_seconds)
    )


def make_cors(settings: Settings) -> Cors | None:
    """The rights of other origins; None: none is named, and they are the flows' affair."""
    given = settings.cors
    rules = CorsSettings(
        given.allowed_origins, given.allowed_methods, given.allowed_headers, given.exposed_headers,
        given.allow_credentials, given.max_age,
    )  # fmt: skip
    return Cors(rules) if rules.allowed_origins else None


def make_certificate(settings: Settings) -> Certificate | None:
    """None: the server speaks plain HTTP. Raises UnusableCertificate."""
    server = settings.server
    if not server.tls_cert:
        return None
    return Certificate(server.tls_cert, server.tls_key, server.tls_key_password.get_secret_value())
