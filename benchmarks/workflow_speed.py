"""What the workflow itself costs: a whole grid by bicubic, with its parts, and planning without a run.

    python benchmarks/workflow_speed.py --mirror MIRROR [--folder DIR] [--only grid plan methods jobs] [--cores 2]

grid: the 657 images of four sets at three scales, one protocol, from `snakemake` to grid.csv, and the seconds of each
rule in it. plan: a dry run of config/published.yaml. methods: one of a grid of 100 networks. jobs: one of 10,000 jobs.
Images come from MIRROR alone, laid out NAME/HR/*. Seconds are those of the clock, CPU seconds those of Snakemake and
its jobs; memory is that of the largest process.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SETS = ["Set5", "Set14", "BSD100", "Urban100"]
GRID = {"run": "grid", "datasets": SETS, "methods": ["bicubic"], "protocols": ["rgb8"], "audit": False}


@dataclass
class Spent:
    """What a command took: seconds, CPU seconds with its children's, MB of its largest process; what it printed."""

    seconds: float
    cpu: float
    megabytes: float
    text: str

    def __str__(self) -> str:
        return f"{self.seconds:8.1f} s {self.cpu:8.1f} s CPU {self.megabytes:7.0f} MB"


def snakemake(folder: Path, mirror: Path, *words: str) -> Spent:
    """Run Snakemake on this checkout in a folder. Exits where it fails."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as text:
        process = subprocess.Popen(
            [*command, *words], stdout=text, stderr=subprocess.STDOUT, env=os.environ | {"SRGRID_MIRROR": str(mirror)}
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        text.seek(0)
        printed = text.read()
    if status:
        sys.exit(printed)
    return Spent(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, printed)


def planned(folder: Path, mirror: Path, config: Path) -> tuple[int, Spent]:
    """A dry run: its number of jobs, and what it took."""
    spent = snakemake(folder, mirror, "--dry-run", "--cores", "2", "--configfile", str(config))
    total = next(line.split()[1] for line in spent.text.splitlines() if line.startswith("total"))
    return int(total), spent


def written(folder: Path, name: str, config: dict) -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


def networks(count: int) -> dict:
    """A config of so many networks, with the sets, scales and protocols of config.yaml."""
    names = [f"network-{number:03}" for number in range(count)]
    weights = dict.fromkeys(names, "models/rcan-bam-s_x{scale}.safetensors")
    return {"run": "many", "methods": ["bicubic", *names], "weights": weights}


def grid(folder: Path, mirror: Path, cores: int) -> None:
    config = written(folder, "grid.yaml", GRID)
    spent = snakemake(folder, mirror, "scores", "--cores", str(cores), "--configfile", str(config))
    with (folder / "results/grid/scores.csv").open(newline="") as file:
        images = sum(1 for _ in csv.DictReader(file))
    print(f"bicubic grid, {images} images, {cores} cores {spent}", flush=True)
    parts = defaultdict(list)
    for place in ("results/grid", "resources"):
        for file in (folder / place / "benchmarks").rglob("*.tsv"):
            rule = file.relative_to(folder / place / "benchmarks").parts[0].removesuffix(".tsv")
            with file.open(newline="") as table:
                parts[rule] += [float(row["s"]) for row in csv.DictReader(table, delimiter="\t")]
    for rule, seconds in sorted(parts.items(), key=lambda part: -sum(part[1])):
        print(f"  {rule:12} {len(seconds):4} jobs {sum(seconds):8.1f} s, the longest {max(seconds):5.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path, default=os.environ.get("SRGRID_MIRROR"), help="folder NAME/HR/*")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in; a temporary one")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=["grid", "plan", "methods", "jobs"])
    options = parser.parse_args()
    if not options.mirror:
        parser.error("no images; give --mirror or SRGRID_MIRROR")
    with tempfile.TemporaryDirectory() as temporary:
        folder, mirror = options.folder or Path(temporary), Path(options.mirror).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if "grid" in options.only:
            grid(folder, mirror, options.cores)
        empty = folder / "planned"
        empty.mkdir(exist_ok=True)
        plans = {
            "plan": lambda: ROOT / "config/published.yaml",
            "methods": lambda: written(folder, "100.yaml", networks(100)),
            "jobs": lambda: written(folder, "253.yaml", networks(253)),
        }
        for name in (name for name in plans if name in options.only):
            jobs, spent = planned(empty, mirror, plans[name]())
            print(f"{name}: a dry run of {jobs} jobs {spent}", flush=True)


if __name__ == "__main__":
    main()
