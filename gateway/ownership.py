"""Are our packages ours? `protocol`, `actors` and `gateway` are also names on the package index, and another wheel that
owns one installs silently over ours. Checked at start, so that the program never runs half of somebody else's code.
"""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

OURS = ("protocol", "actors", "gateway", "nflow_runtime")
DISTRIBUTION = "nflow-runtime"


def intruders() -> list[str]:
    """One line for each package that is not, or not only, ours. Empty: all is well."""
    owners = packages_distributions()
    found = []
    for package in OURS:
        others = sorted({owner for owner in owners.get(package, []) if _same(owner) != _same(DISTRIBUTION)})
        if others:
            remedy = f"run `pip uninstall {others[0]}`, then reinstall {DISTRIBUTION}"
            found.append(f"{package}: also installed by {', '.join(others)}; {remedy}")
    homes = {package: _home(package) for package in OURS}
    home = homes["gateway"]
    found.extend(f"{package}: comes from {place}, not from {home}" for package, place in homes.items() if place != home)
    return found


def _home(package: str) -> str:
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return str(Path(next(iter(places))).resolve().parent) if places else "nowhere"


def _same(name: str) -> str:
    return name.lower().replace("_", "-")
