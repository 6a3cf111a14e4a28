"""The contract in `actors/README.md` is true: its examples run, and every law it states has a test that says so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
README = (HERE.parents[1] / "actors" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_run(example: str) -> None:
    exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})


def test_every_law_is_proved_somewhere_and_every_proof_is_of_a_law() -> None:
    stated = {int(number) for number in re.findall(r"^### (\d+)\. ", README, re.MULTILINE)}
    proved = set()
    for path in HERE.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "LAWS":
                proved |= set(ast.literal_eval(node.value))
    assert stated == proved == set(range(1, max(stated) + 1))


def test_the_files_it_names_as_proofs_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", README))
    assert named
    assert not {name for name in named if not (HERE / f"{name}.py").exists()}
