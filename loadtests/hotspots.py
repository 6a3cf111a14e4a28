"""`make profile`: where the gateway's time goes while one scenario is loaded. cProfile of the server process.

The profiler makes Python code dearer than C code, so shares of the list are to be read, not its microseconds.
"""

from __future__ import annotations

import argparse
import io
import pstats
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtests import wrk
from loadtests.run import SCENARIOS
from loadtests.server import free_port, nflow, serving

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Load one scenario and print the functions that took most of the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, default="trivial")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, default=40)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        config, profile = folder / "config.toml", folder / "profile"
        config.write_text(f'[store]\npath = "{folder}/bench.sqlite"\n[tracker]\nenabled = true\n')
        python, *command = nflow(config, HERE / "scenarios.json", port)
        url = f"http://127.0.0.1:{port}"
        measured = [python, "-m", "cProfile", "-o", str(profile), *command]
        with serving(measured, f"{url}/health", log=folder / "log"):
            load = wrk.run(url + SCENARIOS[options.scenario], seconds=options.seconds)
        text = io.StringIO()
        pstats.Stats(str(profile), stream=text).strip_dirs().sort_stats("tottime").print_stats(options.rows)
    print(f"{load.requests} requests under the profiler\n{text.getvalue()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
