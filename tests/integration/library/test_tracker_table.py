"""nFlow's own tracker table gets the rows ours gets: masked, in its columns, never in anybody's way."""

from __future__ import annotations

import asyncio
import base64

from actors.databases.database import Database
from actors.kernel import ChildSpec, Supervisor, System
from actors.library.queries import LOG_COLUMNS
from actors.library.sql_library import SqlLibrary
from actors.library.tracker_table import TrackerTable
from actors.stores.memory import MemoryStore
from actors.tracker import Tracker, Trackers, TrackerSettings
from protocol.tracking import TrackerRow
from tests.integration.library.conftest import until

ROW = TrackerRow(
    "log", "n1", "Caja ñ", "js", "/x?password=hunter22", "ana", "n2", 67.9, 1_769_903_999.1, 3,
    b'{"a": 1, "password": "hunter22"}', "1.2.3.4:5", "1.2.3.4", "curl", "password=hunter22", "node-a", "local:8080",
)  # fmt: skip


async def stored(database: Database) -> list[tuple[object, ...]]:
    return (await database.query(f"SELECT {', '.join(LOG_COLUMNS)} FROM tracker ORDER BY id")).rows


async def test_rows_are_written_masked_in_nflows_columns(database: Database) -> None:
    table = TrackerTable(SqlLibrary(database))
    assert await table.track([ROW, ROW._replace(box_id="n3")]) == 2
    rows = await stored(database)
    named = dict(zip(LOG_COLUMNS, rows[0], strict=True))
    assert named["duration"] == "67m"
    assert named["box_name"] == "Caja ñ"
    assert named["order_box"] == 3
    assert [row[1] for row in rows] == ["n1", "n3"]
    payload = base64.b64decode(str(named.pop("payload")))
    assert b'"a"' in payload
    assert b"hunter22" not in payload
    assert "hunter22" not in str(named)
    created = await database.query("SELECT count(*) FROM tracker WHERE created IS NOT NULL")
    assert created.rows == [(2,)]


async def test_a_payload_column_of_text_gets_text(database: Database) -> None:
    await database.execute("DROP TABLE tracker")
    columns = ", ".join(f"{name} {'INT' if name == 'order_box' else 'TEXT'}" for name in LOG_COLUMNS)
    await database.execute(f"CREATE TABLE tracker ({columns})")
    table = TrackerTable(SqlLibrary(database))
    assert await table.track([ROW] * 3) == 3
    assert (await database.query("SELECT count(*) FROM tracker")).rows == [(3,)]


async def test_a_query_of_the_databases_own_is_run_for_each_row(database: Database) -> None:
    places = ", ".join(f"${number}" for number in range(1, 17))
    text = f"INSERT INTO tracker ({', '.join(reversed(LOG_COLUMNS))}) VALUES ({places})"
    swapped = [f"${17 - number}" for number in range(1, 17)]
    text = text.replace(places, ", ".join(swapped))
    await database.execute("INSERT INTO queries (name, query) VALUES ('QueryInsertLog', $1)", (text,))
    table = TrackerTable(SqlLibrary(database))
    assert await table.track([ROW, ROW]) == 2
    assert [row[1] for row in await stored(database)] == ["n1", "n1"]


async def test_large_batches_are_cut_and_a_row_no_table_takes_is_left_out(database: Database) -> None:
    table = TrackerTable(SqlLibrary(database))
    assert await table.track([ROW._replace(box_id=str(number)) for number in range(300)]) == 300
    assert [row[1] for row in await stored(database)] == [str(number) for number in range(300)]
    rows = [ROW, ROW._replace(order_box=2**80), ROW]
    assert await table.track(rows) == 2


async def test_an_outage_is_nobodys_matter_but_the_counters(database: Database) -> None:
    await database.execute("DROP TABLE tracker")
    store = MemoryStore()
    settings = TrackerSettings(flush_seconds=0.01, retry_seconds=(), waiting_rows=200)
    ours, theirs = Tracker(store, settings), Tracker(TrackerTable(SqlLibrary(database)), settings, "nflow-batcher")
    both = Trackers(ours, theirs)
    system = System()
    await system.start(ChildSpec("services", lambda: Supervisor(both.children())))
    for number in range(50):
        both.track(ROW._replace(box_id=str(number)))
    assert await until(lambda: both.states[1].dropped == 50 and both.state.stored == 50)
    assert len(await store.rows(limit=100)) == 50
    await system.stop()
    await asyncio.sleep(0)
