"""How often an interval of 95 % holds the true mean difference, and how often a test finds one that is not there.

    python benchmarks/interval_coverage.py SCORES [--draws 2000]

SCORES is a run's scores.csv with bicubic and two models over Urban100 and BSD100. The per-image differences of a cell
are a population with a known mean; sets of 5, 14 and 100 images are drawn from it with replacement. The tests are asked
the same of differences whose mean was taken off, so that whatever they find is an error. Prints a Markdown table:
docs/comparing.md has it.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from scipy import stats

from srgrid.report.differences import paired
from srgrid.report.intervals import bootstrap_mean
from srgrid.report.tables import read_scores

SIZES = (5, 14, 100)
CELLS = {
    "two trainings, PSNR": ("rcan-bam-s", "rcan-s", "Urban100", 4, "psnr"),
    "two trainings, SSIM": ("rcan-bam-s", "rcan-s", "Urban100", 4, "ssim"),
    "over bicubic, Urban100, PSNR": ("rcan-bam-s", "bicubic", "Urban100", 4, "psnr"),
    "over bicubic, BSD100, PSNR": ("rcan-bam-s", "bicubic", "BSD100", 2, "psnr"),
}


def population(scores, method, other, dataset, scale, metric):
    """The differences of all images of a cell under the first protocol."""
    protocol = scores["protocol"].iloc[0]
    rows = scores[(scores["dataset"] == dataset) & (scores["scale"] == scale) & (scores["protocol"] == protocol)]
    table = rows.pivot(index="image", columns="method", values=metric)
    return (table[method] - table[other]).to_numpy()


def measure(differences, size, draws, rng):
    """Shares of draws: BCa and Student intervals that hold the mean; t, sign-flip and signed-rank tests that err."""
    true = differences.mean()
    held, erred = np.zeros((draws, 2), bool), np.zeros((draws, 3), bool)
    for number in range(draws):
        drawn = rng.choice(differences, size)
        _, low, high = bootstrap_mean(drawn)
        _, low_t, high_t, *_ = paired(drawn)
        held[number] = low <= true <= high, low_t <= true <= high_t
        centred = drawn - true
        ps = (paired(centred)[3], sign_flip(centred, rng), stats.wilcoxon(centred).pvalue)
        erred[number] = np.array(ps) < 0.05
    return [*held.mean(0), *erred.mean(0)]


def sign_flip(differences, rng, flips=1999):
    """Two-sided p of the permutation test that flips signs: every pattern of up to 10, else so many at random."""
    size = len(differences)
    every = np.array(list(itertools.product((-1, 1), repeat=size))) if size <= 10 else None
    signs = rng.choice([-1, 1], (flips, size)) if every is None else every
    at_least = np.abs(signs @ differences) >= abs(differences.sum()) * (1 - 1e-12)
    return at_least.mean() if every is not None else (at_least.sum() + 1) / (flips + 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scores", type=Path)
    parser.add_argument("--draws", type=int, default=2000)
    options = parser.parse_args()
    scores, rng = read_scores(options.scores), np.random.default_rng(0)
    print("| differences | images | BCa holds | Student holds | t-test errs | sign flips err | signed ranks err |")
    print("|---|---|---|---|---|---|---|")
    for name, cell in CELLS.items():
        for size in SIZES:
            shares = measure(population(scores, *cell), size, options.draws, rng)
            print("|", " | ".join([name, str(size), *(f"{100 * share:.1f} %" for share in shares)]), "|", flush=True)


if __name__ == "__main__":
    main()
