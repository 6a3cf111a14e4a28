"""Where the configuration comes from: a file and an environment, read at the start and again at each reload.

The environment is the process's own, with what the command line said put over it, so both hold at every reading. Files
that hold secrets (`NFLOW_…_FILE`) are read anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.configuration.checks import part_problems
from protocol.settings import Loaded, Settings


@dataclass(frozen=True, slots=True)
class Source:
    """One configuration's source."""

    path: Path | None
    """None: no file."""
    environment: Mapping[str, str] = field(repr=False)

    def read(self) -> Loaded:
        """The configuration with everything that is wrong with it. Raises BadDocument for a file that is none."""
        loaded = Settings.read(self.path, self.environment)
        if loaded.settings is None or any(problem.fatal for problem in loaded.problems):
            return loaded
        return loaded.with_problems(part_problems(loaded.settings))
