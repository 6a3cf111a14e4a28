"""What a host call costs a script, through the whole server: sandbox, socket, sandbox actor, run, function, and back.

`python -m loadtests.host_calls` prints, for each function, the median and the worst of 30 runs, in microseconds a call;
each run makes 500 calls and times them itself. One client, so nothing waits for anything else.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path

from loadtests.server import free_port, nflow, serving

CALLS = 500
RUNS = 30
FUNCTIONS = {
    "nothing to do (sleep(0))": "sleep(0)",
    "the session (get_session)": "get_session('a', 'b')",
    "a promise (await db.query, refused)": "await db.query('select 1').catch(() => 0)",
}


def playbook() -> dict[str, object]:
    """One flow for each function."""
    flows = {}
    for number, call in enumerate(FUNCTIONS.values()):
        script = (
            f"async function main() {{ const begun = Date.now(); for (let i = 0; i < {CALLS}; i++) {call};"
            f" c.JSON(200, (Date.now() - begun) * 1000 / {CALLS}) }}"
        )
        flows[f"F{number}"] = {
            "data": {
                "s": {
                    "data": {"type": "starter", "method": "GET", "urlpattern": f"/{number}"},
                    "outputs": {"output_1": {"connections": [{"node": "a"}]}},
                },
                "a": {"data": {"type": "js", "code": script}, "outputs": {}},
            }
        }
    return {"drawflow": flows}


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        config, document = folder / "config.toml", folder / "calls.json"
        config.write_text(f'[store]\npath = "{folder}/bench.sqlite"\n')
        document.write_text(json.dumps(playbook()))
        url = f"http://127.0.0.1:{port}"
        with serving(nflow(config, document, port), f"{url}/health", log=folder / "log"):
            print("| host call | median us | worst us |\n|---|---|---|")
            for number, what in enumerate(FUNCTIONS):
                took = []
                for _ in range(RUNS):
                    with urllib.request.urlopen(f"{url}/{number}", timeout=30) as answer:
                        took.append(json.load(answer))
                print(f"| {what} | {statistics.median(took):.0f} | {max(took):.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
