"""The manuals' blocks that run without end or take too much: each ends at its limit, and the next request is served."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import write
from tests.acceptance.servers import Server
from tests.acceptance.test_manual_blocks import block, line
from tests.acceptance.test_manual_shape import flat

ENDLESS = {
    "en": line("en", 2, "while(true) { }"),
    "es": line("es", 2, "while(true) { }"),
    "es_2": line("es_2", 10, "while (true) {\n    // Protección contra bucles infinitos\n}"),
    "es_2, whole": block("es_2", 10),
}
ARRAY = line("es_2", 10, "const bigArray = new Array(100000000);")
LOOP = line("es_2", 10, "for (let i = 0; i < 100000000; i++) {\n    // Protección de CPU\n}")
FLOWS = {f"endless_{number}": flat(f"/endless/{number}", text) for number, text in enumerate(ENDLESS.values())} | {
    "array": flat("/array", ARRAY + "bigArray.fill(0); return 'filled'"),
    "loop": flat("/loop", LOOP),
    "well": flat("/well", "return 'well'"),
}


@pytest.fixture(scope="module")
def limited(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Server]:
    """One server with little time, one with the manual's memory and operations."""
    folder = tmp_path_factory.mktemp("limits")
    for name, document in FLOWS.items():
        write(folder / f"{name}.json", document)
    return {
        "time": launch(folder, "[vm_pool]\nmax_execution_seconds = 0.4\npreload_size = 1\n"),
        "operations": launch(folder, "[vm_pool]\nmax_memory_mb = 128\nmax_operations = 10_000_000\npreload_size = 1\n"),
    }


def well(server: Server) -> bool:
    return bool(server.post("/well", json={}).json() == "well")


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_loop_ends_at_the_time_of_the_configuration(limited: dict[str, Server], name: str) -> None:
    server = limited["time"]
    answer = server.post(f"/endless/{list(ENDLESS).index(name)}", json={})
    assert answer.status == 408
    assert answer.json()["message"].endswith("execution time (vm_pool.max_execution_seconds = 0.4)")
    assert well(server)


def test_an_array_larger_than_128_mb_fails(limited: dict[str, Server]) -> None:
    """The statement itself takes no memory in this engine: the elements do."""
    server = limited["operations"]
    answer = server.post("/array", json={})
    assert answer.status == 408
    assert answer.json()["message"].endswith("memory (vm_pool.max_memory_mb = 128)")
    assert well(server)


def test_a_loop_fails_after_ten_million_operations(limited: dict[str, Server]) -> None:
    server = limited["operations"]
    answer = server.post("/loop", json={})
    assert answer.status == 408
    assert answer.json()["message"].endswith("operations (vm_pool.max_operations = 10000000)")
    assert well(server)
