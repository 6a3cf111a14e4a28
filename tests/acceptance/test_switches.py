"""What scripts may touch beside the sandbox: each door works when open, and names its key when shut."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import Launch
from tests.acceptance.playbooks import chain, playbook
from tests.acceptance.servers import Server

SCRIPTS = {
    "write": "string_to_file('note.txt', 'written'); c.String(200, file_to_string('note.txt'))",
    "link": "c.String(200, file_to_string('out'))",
    "above": "c.String(200, file_to_string('../secret'))",
    "net": "async function main() { const r = await http.get('@URL/health'); c.String(200, String(r.status)) }",
    "run": "async function main() { c.JSON(200, await program.run('/bin/cat', ['-'], {input: 'fed'})) }",
    "shell": "async function main() { c.JSON(200, await program.run('/bin/sh', ['-c', 'id'])) }",
    "caught": "async function main() { try { await program.run('/bin/sh') } catch (e) { c.String(200, e.name) } }",
}


def flows(url: str = "http://127.0.0.1:9") -> dict[str, object]:
    return playbook(**{name: chain(f"/{name}", text.replace("@URL", url)) for name, text in SCRIPTS.items()})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outer = tmp_path_factory.mktemp("outer")
    (outer / "secret").write_text("secret")
    root = outer / "root"
    root.mkdir()
    (root / "out").symlink_to(outer / "secret")
    return root


@pytest.fixture(scope="module")
def shut(launch: Launch, root: Path) -> Server:
    return launch(flows(), f'[files]\nroot = "{root}"\n[vm_pool]\nenable_network = false\n')


@pytest.fixture(scope="module")
def wide(launch: Launch, root: Path, shut: Server) -> Server:
    config = f"""
[files]
root = "{root}"
[vm_pool]
enable_filesystem = true
enable_process = true
allowed_programs = ["/bin/cat"]
[security]
allowed_addresses = ["127.0.0.1/32"]
"""
    return launch(flows(shut.url), config)


@pytest.mark.parametrize(
    ("door", "key"),
    [
        ("write", "files are off: set [vm_pool] enable_filesystem = true"),
        ("net", "the network is off: vm_pool.enable_network = false"),
        ("run", "programs are off: set [vm_pool] enable_process = true"),
    ],
)
def test_a_shut_door_names_its_key(shut: Server, door: str, key: str) -> None:
    answer = shut.get(f"/{door}")
    assert answer.status == 500
    assert key in answer.json()["message"]


def test_a_script_can_catch_that(shut: Server) -> None:
    assert shut.get("/caught").text == "SecurityError"


def test_files_below_the_root_are_read_and_written(wide: Server, root: Path) -> None:
    assert wide.get("/write").text == "written"
    assert (root / "note.txt").read_text() == "written"


@pytest.mark.parametrize("way", ["link", "above"])
def test_no_link_and_no_path_leads_out_of_the_root(wide: Server, way: str) -> None:
    answer = wide.get(f"/{way}")
    assert answer.status == 500
    assert answer.json()["message"].startswith("SecurityError: ")
    assert "files.root" in answer.json()["message"]


def test_an_allowed_address_is_reached(wide: Server) -> None:
    assert wide.get("/net").text == "200"


def test_a_listed_program_runs_and_no_other(wide: Server) -> None:
    assert wide.get("/run").json() == {"code": 0, "signal": None, "stderr": "", "stdout": "fed"}
    refused = wide.get("/shell")
    assert refused.status == 500
    assert "'/bin/sh' is not in [vm_pool] allowed_programs" in refused.json()["message"]


def test_half_a_path_of_a_program_is_refused_at_the_start(launch: Launch) -> None:
    with pytest.raises(RuntimeError, match=r"vm_pool\.allowed_programs: number 1 is no absolute path"):
        launch(flows(), '[vm_pool]\nallowed_programs = ["cat"]\n')
