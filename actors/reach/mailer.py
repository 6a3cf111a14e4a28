"""The owner of aiosmtplib: takes one mail to one mail server, by a connection of its own, within a deadline.

The operator's server is reached wherever it is; a server that a script names must have an address the guard allows.
A password leaves only over TLS or to this machine itself (Go's rule). A server that fails several times in a row is
left alone for a while. What is sent, to whom, and passwords are never logged nor part of an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NamedTuple

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from actors.guards.addresses import AddressGuard
from actors.reach.circuit import Circuits
from actors.reach.mail_message import Envelope, Mail, envelope
from actors.reach.names import Names
from protocol.errors import CallRefused, Overloaded, Unavailable

IMPLICIT_TLS_PORT: Final = 465
MOST_WAITING: Final = 200
_WRITTEN_AT_ONCE: Final = 16 * 1024
"""Characters of a mail that take the loop some milliseconds at most."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server and the account there."""

    host: str
    port: int = 25
    sender: str = ""
    """`a@b.org` or `Name <a@b.org>`."""
    username: str = ""
    """Empty: the sender's address."""
    password: str = field(default="", repr=False)
    """Empty: no login."""
    use_tls: bool = False
    """Insist on TLS. False: TLS where the server offers it. On port 465 it begins with the first byte."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mail leaves."""

    server: MailServer | None = None
    """The operator's. None: mail is not configured."""
    guard: AddressGuard = field(default_factory=AddressGuard)
    enabled: bool = True
    """vm_pool.enable_network."""
    timeout_seconds: float = 20.0
    max_bytes: int = 10 * 1024 * 1024
    connections: int = 10
    breaker_failures: int = 5
    breaker_seconds: float = 10.0


class Sent(NamedTuple):
    """What became of a mail."""

    accepted: tuple[str, ...]
    rejected: tuple[str, ...]
    """Recipients the server refused; there is at least one it took."""


class Mailer:
    """The door to mail servers."""

    __slots__ = ("_circuits", "_name", "_names", "_open", "_room", "_settings", "_tls", "_waiting", "_writing")

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: whose certificates are trusted; None: the system's."""
        self._settings = settings
        self._circuits = Circuits(settings.breaker_failures, settings.breaker_seconds)
        self._room = asyncio.Semaphore(settings.connections)
        self._writing = asyncio.Lock()
        self._tls = tls
        self._waiting = 0
        self._open = False
        self._name = _own_name()
        self._names = Names(4)  # no thread begins before the first lookup

    @property
    def configured(self) -> bool:
        """Does the operator have a mail server?"""
        return self._settings.server is not None

    async def open(self) -> None:
        """Make ready; each mail connects for itself."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)  # it reads some hundred certificates
        self._names = Names(4)
        self._open = True

    async def close(self) -> None:
        """Take no more mails; those under way end by their deadline."""
        self._open = False
        self._names.close()

    def prepare(self, mail: Mail, server: MailServer | None = None) -> Envelope:
        """The mail as it would leave. Raises CallRefused for what cannot be sent, also when mail is not configured."""
        server = self._chosen(server)
        return envelope(mail, server.sender, self._settings.max_bytes)

    async def prepared(self, mail: Mail, server: MailServer | None = None) -> Envelope:
        """`prepare` for a mail of any size: what is large is written on a thread, one at a time."""
        size = sum(len(part) for part in (mail.text or "", mail.html or "", *(file.data for file in mail.attachments)))
        if size <= _WRITTEN_AT_ONCE:
            return self.prepare(mail, server)
        async with self._writing:
            return await asyncio.to_thread(self.prepare, mail, server)

    async def send(self, mail: Mail, server: MailServer | None = None, seconds: float | None = None) -> Sent:
        """Take a mail to the server; None: the operator's.

        Raises CallRefused (TypeError: what cannot be sent; MailError: the server said no or is not there;
        TimeoutError), Unavailable while its circuit is open, Overloaded when too many mails wait.
        """
        own = server is None or self._is_own(server)
        server = self._chosen(server)
        ready = await self.prepared(mail, server)
        return await self.deliver(ready, server, own=own, seconds=seconds)

    async def deliver(
        self,
        ready: Envelope,
        server: MailServer | None = None,
        *,
        own: bool | None = None,
        seconds: float | None = None,
    ) -> Sent:
        """Take a prepared mail to the server. Raises as `send` does."""
        if own is None:
            own = server is None or self._is_own(server)
        server = self._chosen(server)
        if not self._open:
            raise Unavailable("mail is not open")
        if self._waiting >= MOST_WAITING:
            raise Overloaded("too many mails wait already")
        seconds = min(seconds or self._settings.timeout_seconds, self._settings.timeout_seconds)
        place = f"{server.host}:{server.port}"
        self._circuits.check(place, self._now(), "the mail server", place)
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds) as deadline, self._room:
                sent = await self._converse(ready, server, own)
        except TimeoutError:
            message = f"{server.host} did not take the mail within {seconds:g} s"
            if not deadline.expired() or seconds >= 1.0:  # shorter ones were the caller's choice
                self._circuits.failed(place, self._now(), message)
            raise CallRefused(message, name="TimeoutError") from None
        except (SMTPResponseException, SMTPRecipientsRefused) as error:
            self._circuits.succeeded(place)
            raise _refused(server, error) from None
        except PermissionError as error:
            raise CallRefused(f"{server.host} cannot be reached: {error.strerror}", name="MailError") from None
        except (SMTPServerDisconnected, OSError, ssl.SSLError) as error:
            self._circuits.failed(place, self._now(), _words(error))
            raise CallRefused(f"{server.host} cannot be reached: {_words(error)}", name="MailError") from None
        except (SMTPException, ValueError) as error:
            raise CallRefused(f"{server.host}: {error}", name="MailError") from None
        finally:
            self._waiting -= 1
        self._circuits.succeeded(place)
        return sent

    async def _converse(self, ready: Envelope, server: MailServer, own: bool) -> Sent:
        at_once = server.port == IMPLICIT_TLS_PORT
        peer = await _connected(server, self._names, None if own else self._settings.guard)
        try:
            smtp = SMTP(
                hostname=server.host,
                sock=peer,
                local_hostname=self._name,
                timeout=None,  # one deadline stands around all of it
                use_tls=at_once,
                start_tls=None if at_once or not server.use_tls else True,
                tls_context=self._tls,
            )
        except BaseException:
            peer.close()
            raise
        try:
            await smtp.connect()  # from here the socket is the connection's
            await self._log_in(smtp, server)
            refused, _ = await smtp.sendmail(ready.sender, list(ready.recipients), ready.message)
            with contextlib.suppress(SMTPException, OSError):
                await smtp.quit()
        finally:
            transport = smtp.transport
            smtp.close()
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()  # a server that stopped reading must not keep the rest of a mail, and its socket
        return Sent(tuple(each for each in ready.recipients if each not in refused), tuple(refused))

    async def _log_in(self, smtp: SMTP, server: MailServer) -> None:
        if not server.password:
            return
        if smtp.get_transport_info("sslcontext") is None and not _is_this_machine(smtp):
            message = f"{server.host} offers no TLS, so the password is not sent"
            raise CallRefused(message, name="MailError")
        username = server.username or server.sender.rpartition("<")[2].strip("> ")
        await smtp.login(username, server.password)

    def _chosen(self, server: MailServer | None) -> MailServer:
        if not self._settings.enabled:
            raise CallRefused("the network is off: vm_pool.enable_network = false", name="MailError")
        chosen = server or self._settings.server
        if chosen is None:
            message = "mail is not configured: set [mail] enabled and smtp, or call mail_config"
            raise CallRefused(message, name="MailError")
        return chosen

    def _is_own(self, server: MailServer) -> bool:
        own = self._settings.server
        return own is not None and (server.host, server.port) == (own.host, own.port)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _connected(server: MailServer, names: Names, guard: AddressGuard | None) -> socket.socket:
    """A connection to the first address of the host that takes one; the guard sees each address before."""
    loop = asyncio.get_running_loop()
    infos = await names.look_up(server.host, server.port)
    last: OSError = OSError(f"{server.host} has no address")
    for family, kind, protocol, _, address in infos:
        refusal = guard.refusal(str(address[0])) if guard is not None else ""
        if refusal:
            last = PermissionError(13, f"{refusal} (security.allowed_addresses)")
            continue
        peer = socket.socket(family, kind, protocol)
        try:
            peer.setblocking(False)
            await loop.sock_connect(peer, address)
        except OSError as error:
            peer.close()
            last = error
        except BaseException:
            peer.close()
            raise
        else:
            return peer
    raise last


def _is_this_machine(smtp: SMTP) -> bool:
    peer = smtp.get_transport_info("peername")
    try:
        return bool(peer) and ip_address(str(peer[0]).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _own_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"


def _refused(server: MailServer, error: SMTPResponseException | SMTPRecipientsRefused) -> CallRefused:
    if isinstance(error, SMTPRecipientsRefused):
        first = error.recipients[0]
        return CallRefused(f"{server.host} refused every recipient: {first.code} {first.message}", name="MailError")
    what = "refused the login" if isinstance(error, SMTPAuthenticationError) else "refused the mail"
    return CallRefused(f"{server.host} {what}: {error.code} {error.message}"[:500], name="MailError")


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
