"""Types that plugin authors write down: of a configuration, of an action's body and answer.

Pydantic reads them; everything that does not fit is found, each with its path. Invariant: no message holds a value of a
configuration: pydantic's are made without the input, and texts of the author's own checks are cleared of them.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from actors.guards.redaction import MASK, mask
from protocol.codec import dumps, loads
from protocol.errors import BadDocument, Problem

_ADDRESS: Final = re.compile(r"://[^/@\s]*:[^/@\s]*@|\bpassword=")
"""A database's address may hold its password."""


class Shape:
    """One type."""

    __slots__ = ("_adapter", "schema")

    def __init__(self, annotation: Any, *, mode: str = "validation") -> None:
        """Raises ValueError for what is no type of JSON values."""
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            self.schema: dict[str, Any] = self._adapter.json_schema(
                mode="serialization" if mode == "serialization" else "validation"
            )
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError, TypeError) as error:
            raise ValueError(str(error).partition("\n")[0]) from None

    def value(self, given: Any, at: str) -> Any:
        """The value as the type has it. Raises BadDocument with every problem, its path beginning with `at`."""
        try:
            return self._adapter.validate_python(given)
        except ValidationError as error:
            raise BadDocument(_problems(error, at)) from None


def annotation_of(function: Callable[..., Any], written: Any) -> Any:
    """What an annotation stands for, written out or not. Raises ValueError for a name that is not there."""
    if not isinstance(written, str):
        return written
    scope = getattr(function, "__globals__", None) or getattr(getattr(function, "__func__", None), "__globals__", {})
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": written}), scope, include_extras=True)["it"]
    except Exception as error:
        raise ValueError(f"the annotation {written} cannot be read: {error}") from None


def configuration(wanted: Any, table: Mapping[str, Any], at: str) -> Any:
    """The configuration that `wanted` makes of a table. Raises BadDocument; paths begin with `at`."""
    if wanted is None:
        return dict(table)
    if not isinstance(wanted, type) or not (issubclass(wanted, BaseModel) or dataclasses.is_dataclass(wanted)):
        return _made(wanted, table, at)
    problems = list(_unknown(wanted, table, at))
    try:
        value = TypeAdapter(wanted).validate_python(dict(table))
    except ValidationError as error:
        problems += [Problem(each.path, cleared(each.message, table)) for each in _problems(error, at)]
    except Exception as error:  # a check of the author's own, raised past pydantic
        problems.append(Problem(at, cleared(f"{type(error).__name__}: {error}", table)))
    if problems:
        raise BadDocument(problems)
    return value


def plain(value: Any) -> Any:
    """The value with pydantic's models in it written out."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json", by_alias=True)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def as_json(value: Any) -> bytes:
    """What a plugin returned, as JSON text. Raises ValueError for what JSON cannot say."""
    try:
        return dumps(value)
    except ValueError:
        return dumps(plain(value))


def cleared(message: str, table: Any) -> str:
    """The message without any text of the table."""
    for text in sorted(set(_texts(table)), key=len, reverse=True):
        for form in (text, repr(text)[1:-1]):
            message = message.replace(form, MASK)
    return message


def secrets(table: Any, config: Any) -> tuple[str, ...]:
    """Texts of a configuration that are secret: by the name of their key, by their type, or with a password in them."""
    try:
        masked = loads(mask(dumps(table or {})))
    except (BadDocument, ValueError):
        return tuple(_texts(table))
    found = [*_differing(table or {}, masked), *(text for text in _texts(table) if _ADDRESS.search(text))]
    if isinstance(config, BaseModel):
        values = (getattr(config, name) for name in type(config).model_fields)
        found += [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    return tuple(dict.fromkeys(found))


def _differing(value: Any, masked: Any) -> Iterator[str]:
    match value, masked:
        case dict(), dict():
            for key, item in value.items():
                yield from _differing(item, masked.get(key))
        case list(), list() if len(value) == len(masked):
            for item, other in zip(value, masked, strict=True):
                yield from _differing(item, other)
        case _ if value != masked:
            yield from _texts(value)


def _made(wanted: Callable[[dict[str, Any]], Any], table: Mapping[str, Any], at: str) -> Any:
    if not callable(wanted):
        raise BadDocument([Problem(at, "Config of the plugin is no model, dataclass or function")])
    try:
        return wanted(dict(table))
    except BadDocument as error:
        raise BadDocument([Problem(each.path, cleared(each.message, table)) for each in error.problems]) from None
    except KeyError as error:
        raise BadDocument([Problem(f"{at}.{error.args[0] if error.args else ''}", "missing")]) from None
    except Exception as error:
        raise BadDocument([Problem(at, cleared(f"{type(error).__name__}: {error}", table))]) from None


def _unknown(wanted: type, table: Mapping[str, Any], at: str) -> Iterator[Problem]:
    """Keys that nobody reads, unless the author says what becomes of them."""
    if issubclass(wanted, BaseModel):
        if wanted.model_config.get("extra") is not None:
            return
        fields = wanted.model_fields.items()
        known = {name for each, field in fields for name in (each, field.alias, field.validation_alias) if name}
        names = sorted(name for name in known if isinstance(name, str))
    else:
        fields_ = getattr(wanted, "__dataclass_fields__", {}).values()
        names = sorted(field.name for field in fields_ if field.init)
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1, 0.0)
            yield Problem(f"{at}.{key}", f"unknown key; the nearest known one is {near[0]}" if near else "unknown key")


def _problems(error: ValidationError, at: str) -> list[Problem]:
    return [
        Problem(".".join((at, *map(str, fault["loc"]))), fault["msg"].removeprefix("Value error, "))
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str() if len(value) > 2:
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)
