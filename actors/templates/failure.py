"""What goes wrong with a template, told with the line it stands on."""

from __future__ import annotations

from protocol.errors import Refusal


class TemplateError(Refusal):
    """The template cannot be rendered."""

    def __init__(self, line: int, message: str) -> None:
        """`line` counts from 1."""
        super().__init__(f"template:{line}: {message}")
        self.line = line
        self.reason = message
        """The message without its place."""


class TemplateLimit(TemplateError):
    """The template takes more steps, depth or output than it may."""
