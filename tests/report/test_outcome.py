"""Printed values against a run's: reproduced, explained by another protocol, or not, with the nearest named."""

import pandas as pd
import pytest

from srgrid.report.audit import DIFFERS, EXPLAINED, REPRODUCED
from srgrid.report.literature import literature
from srgrid.report.outcome import outcomes

RCAN = next(c for c in literature() if (c.source, c.method, c.dataset, c.scale) == ("rcan-tf", "rcan", "Set5", 4))


def made(**values):
    """The outcome of RCAN's Set5 x4, 32.63/0.9002 under `literature`, in a grid with these scores by protocol."""
    rows = [("Set5", 4, "rcan", name.replace("_", "-"), *pair, 5) for name, pair in values.items()]
    rows.append(("Set5", 4, "other", "literature", 32.63, 0.9002, 5))
    columns = ["dataset", "scale", "method", "protocol", "psnr", "ssim", "images"]
    found = outcomes([RCAN], pd.DataFrame(rows, columns=columns))
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        ({"literature": (32.6304, 0.90016)}, REPRODUCED, "every digit"),
        ({"literature": (32.6391, 0.90028)}, REPRODUCED, "every digit, further ones cut off"),
        ({"literature": (32.61, 0.9), "luma8": (32.63, 0.9002)}, EXPLAINED, "every digit under luma8"),
        ({"luma8": (32.63, 0.9002)}, EXPLAINED, "every digit under luma8"),
        ({"literature": (32.63, 0.9002), "luma8": (32.63, 0.9002)}, REPRODUCED, "every digit"),
        ({"literature": (32.58, 0.8996)}, DIFFERS, "no; nearest -0.050 dB, -0.00060"),
        ({"literature": (32.5, 0.9), "rgb8": (32.62, 0.9002)}, DIFFERS, "no; nearest -0.010 dB, +0.00000 under rgb8"),
        ({"literature": (32.63, 0.9004)}, DIFFERS, "no; nearest +0.000 dB, +0.00020"),
    ],
)
def test_what_becomes_of_a_printed_value(values, verdict, words):
    found = made(**values)
    assert (found.verdict, str(found)) == (verdict, words)


def test_psnr_alone_is_told_apart():
    assert made(literature=(32.6345, 0.9)).psnr_holds
    assert made(literature=(32.6391, 0.9)).psnr_holds  # cut off
    assert not made(literature=(32.645, 0.9002)).psnr_holds
    assert not made(luma8=(32.63, 0.9002)).psnr_holds


def test_what_a_grid_does_not_hold_has_no_outcome():
    columns = ["dataset", "scale", "method", "protocol", "psnr", "ssim", "images"]
    grid = pd.DataFrame([("Set5", 2, "rcan", "literature", 38.27, 0.9614, 5)], columns=columns)
    assert outcomes([RCAN], grid) == []
    assert [str(one) for one in outcomes(literature(), grid) if one.cell.source == "rcan-tf"] == ["every digit"]
