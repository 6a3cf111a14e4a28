"""Profiles: other defaults of some keys, for a developer's machine and for a server (nFlow manual, "Development" and
"Production"). Whatever is written anywhere goes before them. The size of the pool in production is left as it is: a
sandbox here is a process, not an object of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

PRODUCTION: Final = "production"

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "development": {
            "debug.enabled": True,
            "security.block_on_high_severity": False,
            "vm_pool.max_size": 10,
            "vm_pool.preload_size": 2,
            "log.level": "debug",
        },
        PRODUCTION: {
            "debug.enabled": False,
            "security.enable_static_analysis": True,
            "security.block_on_high_severity": True,
            "security.enable_log_sanitization": True,
            "rate_limit.enabled": True,
            "rate_limit.backend": "memory",
            "log.format": "json",
        },
    }
)
"""Profile → `section.key` → default."""


def profile_defaults(profile: str, tree: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """Section, key and value of each default of a profile, given what is written; of an unknown profile none."""
    for path, value in PROFILES.get(profile, {}).items():
        section, _, key = path.partition(".")
        if path == "rate_limit.backend" and tree.get("redis", {}).get("host"):
            value = "redis"
        yield section, key, value
