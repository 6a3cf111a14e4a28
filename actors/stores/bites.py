"""Retention in the embedded store, a small bite at a time, so that a commit never waits long behind it.

Invariant: a run is thrown away only when it has ended and its steps are gone; a step only when its run has ended.
Works within the transaction of `sqlite.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from actors.stores.schema import Executes
from protocol.storage import Pruned, RetentionDays

BITE_ROWS: Final = 1000
"""Rows of one table thrown away at once: about two milliseconds."""
BITE_RUNS: Final = 50
_DAY_SECONDS: Final = 86_400.0


class Bites:
    """Takes bites off the tables; remembers how far steps have been thrown away from runs that are kept."""

    __slots__ = ("_statements", "_stripped")

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._statements = statements
        # In memory only: after a restart the walk begins anew and finds the first runs empty.
        self._stripped: tuple[float, str] = (0.0, "")

    def take(self, connection: Executes, days: RetentionDays, now: float) -> Pruned:
        """Throw away a bite of what is older than `days` at `now` (Unix seconds)."""
        rows = runs = steps = 0
        more = False
        if days.tracker > 0:
            rows = self._rows(connection, now - days.tracker * _DAY_SECONDS)
            more = rows == BITE_ROWS
        if days.process > 0:
            runs, steps, unfinished = self._runs(connection, now - days.process * _DAY_SECONDS)
            more = more or unfinished
        if days.step > 0:
            stripped, unfinished = self._strip(connection, now - days.step * _DAY_SECONDS)
            steps += stripped
            more = more or unfinished
        return Pruned(runs, steps, rows, more)

    def _rows(self, connection: Executes, before: float) -> int:
        return self._change(connection, "prune_rows", before=before, bite=BITE_ROWS)

    def _runs(self, connection: Executes, before: float) -> tuple[int, int, bool]:
        """Runs and steps thrown away, and whether old runs may be left."""
        runs = steps = 0
        old = self._old(connection, before, (0.0, ""))
        for wid, _ in old:
            steps += self._change(connection, "prune_steps", wid=wid, bite=BITE_ROWS - steps)
            if steps == BITE_ROWS:
                return runs, steps, True
            runs += self._change(connection, "prune_process", wid=wid)
        return runs, steps, len(old) == BITE_RUNS

    def _strip(self, connection: Executes, before: float) -> tuple[int, bool]:
        """Steps thrown away from runs that are kept, and whether more may be left."""
        steps = 0
        old = self._old(connection, before, self._stripped)
        for wid, updated in old:
            steps += self._change(connection, "prune_steps", wid=wid, bite=BITE_ROWS - steps)
            if steps == BITE_ROWS:
                return steps, True
            self._stripped = (updated, wid)
        return steps, len(old) == BITE_RUNS

    def _old(self, connection: Executes, before: float, after: tuple[float, str]) -> list[tuple[str, float]]:
        place = {"before": before, "updated": after[0], "wid": after[1], "bite": BITE_RUNS}
        found: list[tuple[str, float]] = connection.execute(self._statements["old_processes"], place).fetchall()
        return found

    def _change(self, connection: Executes, name: str, **parameters: float | str) -> int:
        return int(connection.execute(self._statements[name], parameters).rowcount)
