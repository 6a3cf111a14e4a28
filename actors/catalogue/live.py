"""An app that is served, and the document it was made of. Values only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.library.versions import VersionSource
from protocol.errors import Problem, Refusal
from protocol.flow import Flow

_DEFINES: Final = {
    name: re.compile(rf"\bfunction\s+{name}\s*\(|(?<![\w.$]){name}\s*=(?!=)") for name in ("auth", "log")
}


@dataclass(frozen=True, slots=True)
class AppDocument:
    """A document as it was found."""

    app: str
    text: bytes
    hash: str
    """Hex SHA-256 of the text."""
    source: VersionSource
    place: str
    """Where it lies, in words for an operator: a path, or "the nFlow database"."""
    default_js: str = ""


@dataclass(frozen=True, slots=True)
class LiveApp:
    """What is served of an app."""

    document: AppDocument
    modules: str
    """Hash of the modules it was compiled with."""
    flows: tuple[Flow, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the document that is served."""

    @property
    def whole(self) -> bool:
        """Whether every flow of the document is served."""
        return not any(problem.fatal for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Triggers:
    """Sources of an app's triggers; empty where there is none."""

    auth: str = ""
    log: str = ""
    auth_blocked: Callable[[], Refusal] | None = None
    """Asked for a refusal in place of running `auth`: see Script.blocked."""
    log_blocked: Callable[[], Refusal] | None = None

    @staticmethod
    def of(files: Triggers, default_js: str) -> Triggers:
        """A file wins; else `default_js`, where it defines the function."""
        return Triggers(
            files.auth or (default_js if _DEFINES["auth"].search(default_js) else ""),
            files.log or (default_js if _DEFINES["log"].search(default_js) else ""),
            files.auth_blocked,
            files.log_blocked,
        )
