"""The server's certificate: TLS 1.2 and 1.3, forward secrecy, HTTP/1.1 by ALPN.

Invariant: a file that cannot be used is one clear error at the start, and at a reload leaves what was in force. A
reload changes new connections only. Talks to nobody; the server listens with `context`.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from protocol.errors import UnusableCertificate

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: an exchange that a stolen key does not open later, and encryption that notices changes."""

_MOST_BYTES: Final = 1 << 20
"""Read of a file, to see whether it is another one."""


class Certificate:
    """A certificate chain and its key."""

    __slots__ = ("_chain", "_key", "_password", "_read", "context")

    def __init__(self, chain: str, key: str, password: str) -> None:
        """`chain`, `key`: PEM files. Raises UnusableCertificate."""
        self._chain = chain
        self._key = key
        self._password = password
        self.context, self._read = self._made()

    def check(self) -> None:
        """Whether the files as they are now can be used. Raises UnusableCertificate."""
        self._made()

    def reload(self) -> bool:
        """Take the files as they are now. True: it is another certificate. Raises UnusableCertificate; then nothing has
        changed."""
        self._made()
        before, self._read = self._read, self._load(self.context)
        return self._read != before

    def _made(self) -> tuple[ssl.SSLContext, bytes]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        return context, self._load(context)

    def _load(self, context: ssl.SSLContext) -> bytes:
        """Have it use the files; answers with what the chain's file says."""
        said = []
        for key, file in (("server.tls_cert", self._chain), ("server.tls_key", self._key)):
            try:
                with Path(file).open("rb") as there:
                    said.append(there.read(_MOST_BYTES))
            except OSError as error:
                raise UnusableCertificate(f"cannot read {file}: {(error.strerror or '').lower()} ({key})") from None
        try:
            context.load_cert_chain(self._chain, self._key, self._password or (lambda: b""))
        except ssl.SSLError as error:
            raise UnusableCertificate(f"{_why(error)}: {self._chain}, {self._key} (server.tls_cert, tls_key)") from None
        except (OSError, ValueError) as error:
            raise UnusableCertificate(f"{error}: {self._chain} (server.tls_cert, tls_key)") from None
        return said[0]


def _why(error: ssl.SSLError) -> str:
    reason = error.reason or ""
    if reason == "KEY_VALUES_MISMATCH":
        return "the certificate and the key do not belong together"
    if reason in {"BAD_DECRYPT", "BAD_PASSWORD_READ", "PROBLEMS_GETTING_PASSWORD"}:
        return "the key file is encrypted and server.tls_key_password does not open it"
    told = f" ({reason.lower().replace('_', ' ')})" if reason else ""
    return f"the certificate or its key is no PEM that can be used{told}"
