"""All sections together, in the order of config.toml."""

from __future__ import annotations

from pydantic import Field

from protocol.settings.data import Database, DatabaseNflow, PgSession, Redis, Session
from protocol.settings.engine import (
    Api,
    Cors,
    Debug,
    Files,
    Flows,
    Log,
    Monitor,
    Otel,
    RateLimit,
    Security,
    Server,
    Store,
    Tracker,
    VmPool,
)
from protocol.settings.key import Section
from protocol.settings.outside import Ai, Mail, Outgoing, Plugin, Twilio, Url


class Sections(Section):
    """Every key there is."""

    server: Server = Server()
    store: Store = Store()
    vm_pool: VmPool = VmPool()
    tracker: Tracker = Tracker()
    monitor: Monitor = Monitor()
    debug: Debug = Debug()
    log: Log = Log()
    otel: Otel = Otel()
    env: dict[str, str] = Field(
        default_factory=dict, description="what scripts see as env: names and texts", repr=False
    )
    url: Url = Url()
    rate_limit: RateLimit = RateLimit()
    cors: Cors = Cors()
    database_nflow: DatabaseNflow = DatabaseNflow()
    redis: Redis = Redis()
    security: Security = Security()
    mail: Mail = Mail()
    twilio: Twilio = Twilio()
    pg_session: PgSession = PgSession()
    session: Session = Session()
    flows: Flows = Flows()
    files: Files = Files()
    api: Api = Api()
    outgoing: Outgoing = Outgoing()
    ai: Ai = Ai()
    plugin: Plugin = Plugin()
    database: Database = Database()
