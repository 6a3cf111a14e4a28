"""What a key of config.toml is made of: its type, its bounds, its default and its meaning."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from protocol.configuration.written import list_written, table_written

YEAR = 365.0 * 86_400


def _no_boolean(value: Any) -> Any:
    """`true` is not the number 1."""
    if isinstance(value, bool):
        raise ValueError("Input should be a number, not a boolean")
    return value


def _port_text(value: Any) -> Any:
    """Ports are texts in nFlow's file and numbers in its manuals."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _list(value: Any) -> Any:
    """A list may come from the environment as one text."""
    return list_written(value) if isinstance(value, str) else value


def _table(value: Any) -> Any:
    """A table too."""
    if isinstance(value, str) and (table := table_written(value)) is not None:
        return table
    return value


Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=2**53)]
Positive = Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=2**53)]
Port = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=65_535)]
PortText = Annotated[str, BeforeValidator(_port_text), Field(pattern=r"^\d{0,5}$")]
Seconds = Annotated[float, BeforeValidator(_no_boolean), Field(gt=0, le=YEAR)]
Duration = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, le=YEAR)]
"""Of any unit; 0 has a meaning its key explains."""
Ratio = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, le=1)]
UrlPath = Annotated[str, Field(pattern=r"^/")]
Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]
Patterns = Annotated[dict[str, str], BeforeValidator(_table)]
NO_SECRET = SecretStr("")


def setting(default: Any, meaning: str, alias: str | None = None) -> Any:
    """One key: its default and its meaning, with the unit where it has one."""
    return Field(default, description=meaning, alias=alias)


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, validate_by_name=True,
        coerce_numbers_to_str=False,
    )  # fmt: skip
