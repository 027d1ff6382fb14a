"""Every reader of the project takes damaged input to its result, or to one clear message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import mutate
import pytest
from conftest import TRIED
from readers import READERS

RUN = Path(__file__).with_name("run.py")


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What became of each reader, tried in a process of its own, with limits of time and memory."""
    room = tmp_path_factory.mktemp("fuzz")
    seconds = float(os.environ.get("SRGRID_FUZZ_SECONDS", "0"))
    done = subprocess.run(
        [sys.executable, str(RUN)],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"TMPDIR": str(room)},
        timeout=seconds * 2 + 500,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    request.config.stash[TRIED] = found
    last = [file.read_text() for file in room.glob("*/now")]
    assert done.returncode == 0, f"died at {last}: {done.stderr[-2000:]}"
    return {result["reader"]: result for result in found}


@pytest.mark.parametrize("name", [reader.name for reader in READERS])
def test_a_damaged_input_ends_in_a_result_or_a_clear_message(name: str, results: dict[str, Any]):
    result = results[name]
    assert result["tried"] > 0
    shown = [f"{f['times']} times, first input {f['input']} ({f['file']}): {f['found']}" for f in result["findings"]]
    assert not shown, "\n".join(shown)


@pytest.mark.parametrize("kind", [*mutate.BYTES, *mutate.TEXT, mutate.json_tree], ids=lambda kind: kind.__name__)
def test_damage_is_seeded_and_is_damage(kind: mutate.Mutator):
    data = json.dumps({"a": [1, 2.5, "x"], "b": {"c": None, "d": "text"}}, indent=1).encode()
    made = [kind(Random(k), data) for k in range(50)]
    assert made == [kind(Random(k), data) for k in range(50)]
    assert sum(one != data for one in made) > 25
