"""A start's JSON Schema for its input: read with the flow, asked for every request.

Drafts 4 to 2020-12, by `$schema`, 2020-12 otherwise. References lead inside the schema only: nothing is fetched.
Inputs are a stranger's and are checked on the loop, so patterns are matched in time proportional to them: lookaround
and back-references, for which no such way is known, are refused with the flow. The one file that knows the validator.
"""

from __future__ import annotations

from typing import Any, Final

import jsonschema_rs

from protocol.errors import Problem

MAX_PROBLEMS: Final = 20
_MAX_MESSAGE: Final = 300


class InputSchema:
    """One compiled schema."""

    __slots__ = ("_validator", "document")

    def __init__(self, document: Any) -> None:
        """Raises ValueError with what is wrong with the schema."""
        self.document = document
        try:
            self._validator = jsonschema_rs.validator_for(
                document, validate_formats=True, retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions()
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
            message = str(error).partition("\n")[0]
            hint = " (lookaround and back-references are not taken)" if message.endswith('is not a "regex"') else ""
            raise ValueError(message + hint) from None

    def problems(self, value: Any) -> list[Problem]:
        """What is wrong with an input, each with its path (`input.items.0.price`), at most MAX_PROBLEMS."""
        found = []
        for error in self._validator.iter_errors(value):
            path = ".".join(("input", *map(str, error.instance_path)))
            found.append(Problem(path, error.message[:_MAX_MESSAGE]))
            if len(found) == MAX_PROBLEMS:
                break
        return found


def _nowhere(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}: write it inside")
