"""benchmarks/div2k_size.py on small images: fetched, verified, reduced and packed."""

import subprocess
import sys
from pathlib import Path

from srgrid.data.pack import Pack

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "div2k_size.py"


def test_a_stand_in_goes_all_the_way(tmp_path):
    words = ("--images", "3", "--size", "90", "60", "--scales", "2", "--steps", "0")
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "room", *words], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split("  ")[0] for line in done.stdout.splitlines() if " s CPU " in line]
    assert steps == ["fetch", "verify", "lr x2", "pack-hr", "pack x2"]
    assert len(Pack.open(tmp_path / "room/standin_x2.srpack")) == 3
