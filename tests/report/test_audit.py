import pandas as pd
import pytest

from srgrid.choices import choice_definitions, choice_protocols, choices
from srgrid.errors import SrgridError
from srgrid.metrics import Score
from srgrid.protocols import PROTOCOLS, protocols
from srgrid.report import audit
from srgrid.report.published import published


def table(*rows):
    return pd.DataFrame(rows, columns=["dataset", "scale", "method", "protocol", "psnr", "ssim", "images"])


def cell(source, method, dataset, scale):
    return next(c for c in published() if (c.source, c.method, c.dataset, c.scale) == (source, method, dataset, scale))


def test_published_values_hold_the_cards_grid():
    card = {(c.dataset, c.scale): c.text for c in published() if c.source == "card" and c.method == "bicubic"}
    assert len(card) == 11
    assert card["Urban100-half", 2] == "26.66/0.8408"
    assert ("Urban100", 3) not in card


@pytest.mark.parametrize(
    ("value", "verdict", "protocol"),
    [
        ({"luma8": Score(33.6404, 0.92922)}, audit.REPRODUCED, "luma8"),
        ({"luma8": Score(33.674, 0.9303), "rgb8": Score(33.6431, 0.92921)}, audit.EXPLAINED, "rgb8"),
        ({"luma8": Score(33.655, 0.92922)}, audit.DIFFERS, "luma8"),
        ({"luma8": Score(30.0, 0.9)}, audit.DIFFERS, "luma8"),
        ({}, audit.ABSENT, "luma8"),
    ],
)
def test_verdicts(value, verdict, protocol):
    values = {("Set5", 2, "bicubic", name): score for name, score in value.items()}
    found = audit.judge(cell("card", "bicubic", "Set5", 2), values)
    assert (found.verdict, found.protocol) == (verdict, protocol)
    assert found.why
    assert found.value == value.get(protocol)


def test_as_printed_keeps_the_texts_digits():
    assert audit.as_printed(Score(30.79, 0.87012), "30.8/0.8701") == "30.8/0.8701"
    assert audit.as_printed(Score(33.644, 0.92925), "33.64/0.9292") == "33.64/0.9293"


def test_cells_of_other_data_sets_are_left_out():
    rows = audit.audit_cells(table(("Set5", 2, "bicubic", "luma8", 33.6404, 0.92922, 5)))
    assert {(row["dataset"], row["scale"]) for row in rows} == {("Set5", "2")}
    by = {(row["source"], row["method"]): row for row in rows}
    card = next(row for (source, _), row in by.items() if "card" in source)
    assert (card["verdict"], card["psnr_difference"]) == ("reproduced", "+0.000")
    assert all(row["remade"] == "" for row in rows if row["method"] != "bicubic")


def test_a_choice_explains_a_printed_bicubic_value():
    grid = table(("Set5", 2, "bicubic", "rgb8", 33.674, 0.93029, 5))
    scores = pd.DataFrame(
        {"dataset": "Set5", "scale": 2, "method": "bicubic", "protocol": "audit-bicubic-luma", "image": list("ab")}
        | {"psnr": [33.0, 34.32], "ssim": [0.92, 0.9398]}
    )
    explained = [row for row in audit.audit_cells(grid, scores) if row["published"] == "33.66/0.9299"]
    assert explained
    assert {(row["verdict"], row["protocol"]) for row in explained} == {("explained", "audit-bicubic-luma")}
    without = [row for row in audit.audit_cells(grid) if row["published"] == "33.66/0.9299"]
    assert {row["verdict"] for row in without} == {"not reproduced"}


def test_choices_change_one_field_each():
    known = protocols(choice_definitions())
    for choice in choices():
        before, after = known[choice.before], known[choice.after]
        changed = [f for f in before.__dataclass_fields__ if getattr(before, f) != getattr(after, f)]
        # An LR image of cropped HR cannot be held against a resized HR: that choice is made once for both.
        # An LR image that is luma makes an SR image that is.
        pairs = {"hr", "channels"} & set(changed)
        one = {"degradation", *pairs} if pairs else set(changed[-1:])
        assert set(changed) - {"name", "about"} == one, choice
    assert not set(choice_protocols()) & set(PROTOCOLS)


def score_rows(protocol, psnr, images=3):
    head = ["dataset", "scale", "method", "protocol", "image", "psnr", "ssim"]
    return pd.DataFrame([("Set5", 2, "bicubic", protocol, str(i), psnr + i, 0.9) for i in range(images)], columns=head)


def test_choices_are_measured_as_differences_of_means():
    names = {name for choice in choices() for name in (choice.before, choice.after)}
    parts = [score_rows(name, 30.5 if name == "luma8" else 30.0) for name in sorted(names)]
    rows = audit.measure_choices(pd.concat(parts))
    assert len(rows) == len(choices())
    change = {row["choice"]: row["psnr_change"] for row in rows}
    assert change["luma-rounded"] == "+0.500"
    assert change["border"] == "+0.000"
    with pytest.raises(SrgridError, match="no bicubic scores of Set5 x2 under luma8"):
        audit.measure_choices(pd.concat([part for part in parts if (part["protocol"] != "luma8").all()]))


def test_the_cards_columns_are_compared():
    rows = audit.compare_columns(
        table(
            ("BSD100", 4, "bicubic", "luma8", 25.957, 0.66723, 100),
            ("BSD100", 4, "bicubic", "super-image", 26.718, 0.6965, 100),
        )
    )
    assert [(r["dataset"], r["super_image_offset"], r["card_minus_paper"]) for r in rows] == [
        ("BSD100", "+0.761", "+0.14")
    ]
