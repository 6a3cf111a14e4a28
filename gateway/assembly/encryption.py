"""Encryption, from settings: the keys that everybody shares, and what encrypts answers where that is on.

Raises BadDocument with the path of every key that cannot be.
"""

from __future__ import annotations

from actors.guards.encryption import Keyring
from actors.guards.interception import Interceptor
from actors.guards.sensitive import Detector, SensitiveSettings
from gateway.bodies.encryption import AnswerEncryption, EncryptionFigures
from protocol.errors import BadDocument, Problem
from protocol.settings import Settings


class EncryptionParts:
    """What encrypts, and its numbers."""

    def __init__(self, settings: Settings) -> None:
        given = settings.security
        self.keys = Keyring(
            given.encryption_key.get_secret_value(), given.encryption_key_id, given.earlier_keys.get_secret_value()
        )
        self.figures = EncryptionFigures()
        self.answers: AnswerEncryption | None = None
        """None: answers leave as they are (`security.enable_encryption`)."""
        # Made also where it is off: a pattern that is none should not wait for the day it is on.
        detector = Detector(
            SensitiveSettings(
                given.encrypt_sensitive_data, given.sensitive_patterns, given.custom_patterns,
                given.always_encrypt_fields,
            )
        )  # fmt: skip
        if given.enable_encryption:
            if not self.keys.encrypts:
                raise BadDocument(
                    [
                        Problem(
                            "security.encryption_key",
                            "missing: security.enable_encryption needs it; `nflow keygen` makes one",
                        )
                    ]
                )
            interceptor = Interceptor(self.keys, detector, in_place=given.encrypt_in_place)
            self.answers = AnswerEncryption(interceptor, self.figures, settings.server.max_body_mb << 20)
