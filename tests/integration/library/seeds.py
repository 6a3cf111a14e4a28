"""The statements of an nFlow database as its designer leaves it."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "data" / "nflow_database"


def statements(driver: str) -> list[str]:
    """Every statement of the seed, in order."""
    text = (FOLDER / f"{driver}.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [part for part in (each.strip() for each in "\n".join([*lines, ""]).split(";\n")) if part]


TABLES = ("nflow", "modules", "template", "queries", "users", "api_tokens", "tracker")
