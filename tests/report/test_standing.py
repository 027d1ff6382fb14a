"""A run among printed values: under one protocol, one value a network and training set, each cell in its place."""

import re
from dataclasses import replace

import pytest
from run_dir import MODEL, make_run

from srgrid.report.card import build_card, render_html, render_markdown
from srgrid.report.cardata import gather
from srgrid.report.literature import amount, literature
from srgrid.report.standing import expenses, points, printed, standings

PLACES = re.compile(r"\| Set5 \| x2 \| 29 \| (.+?) \|")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photographs under the name of a benchmark set, scored as papers score networks and otherwise."""
    return gather(make_run(tmp_path_factory.mktemp("run"), "Set5", protocols=("rgb8", "literature"), scales=(2, 4)))


def with_psnr(data, value, protocol="literature"):
    """The same data with another mean of the model in every cell of a protocol."""
    grid = data.grid.copy()
    grid.loc[(grid["method"] == MODEL) & (grid["protocol"] == protocol), "psnr"] = value
    return replace(data, grid=grid)


def test_a_cell_stands_where_as_many_printed_values_are_higher(data):
    values = sorted((cell.psnr for cell in printed("Set5", 2)), reverse=True)
    for rank in (0, 4, len(values) - 1):
        place = standings(with_psnr(data, values[rank] + 0.004))[0].places[0]
        assert place.place == 1 + sum(value > values[rank] for value in values)
        assert place.psnr == f"{values[rank]:.2f}"
    best = standings(with_psnr(data, values[0] + 0.006))[0].places[0]
    assert (best.place, best.above) == (1, "")
    worst = standings(with_psnr(data, 20.0))[0].places[0]
    assert worst.place == 1 + len(values)
    assert worst.above.endswith(f"{values[-1]:.2f}")


def test_only_values_of_the_same_protocol_count(data):
    assert not standings(replace(data, order=data.order | {"protocol": ["rgb8"]}))
    moved = standings(with_psnr(data, 99.0, protocol="rgb8"))
    assert moved == standings(data)
    assert {cell.protocol for cell in printed("Set5", 2)} == {"literature"}
    assert "bicubic" not in {cell.method for cell in printed("Set5", 2)}


def test_a_network_counts_once_for_each_training_set():
    for dataset, scale in {(cell.dataset, cell.scale) for cell in literature()}:
        columns = [(cell.method, cell.training) for cell in printed(dataset, scale)]
        assert len(columns) == len(set(columns))
        told = {method for method, training in columns if training}
        assert not [method for method, training in columns if not training and method in told]
    assert ("swinir", "DF2K") in [(cell.method, cell.training) for cell in printed("Set5", 2)]


def test_card_and_page_have_the_places_and_a_missing_cell_says_so(data):
    found = standings(data)
    assert [(row.dataset, row.scale) for row in found] == [("Set5", 2), ("Set5", 4)]
    text, page = render_markdown(data), render_html(data)
    for row in found:
        assert f"| Set5 | x{row.scale} | {row.printed} | {row.places[0]} |" in text
        assert f"<b>{row.places[0].psnr}</b>, place {row.places[0].place}" in page
    grid = data.grid[~((data.grid["scale"] == 4) & (data.grid["method"] == MODEL))]
    both = replace(data, grid=grid, order=data.order | {"method": ["bicubic", MODEL, "other"]})
    assert [row.scale for row in standings(both)] == [2]
    assert standings(both)[0].places[1] is None


def test_a_run_without_the_protocol_has_no_such_part(tmp_path):
    run = make_run(tmp_path / "run", scales=(2,))
    build_card(run)
    for name in ("model_card.md", "model_card.html"):
        assert "Among the literature" not in (run / name).read_text()
    assert points(gather(run)) == []


@pytest.mark.parametrize(
    ("text", "value"), [("1,592K", 1_592_000), ("90.9G", 90.9e9), ("15.6M", 15.6e6), ("412", 412), ("", None)]
)
def test_printed_amounts_are_numbers(text, value):
    assert amount(text) == (None if value is None else pytest.approx(value))


def test_every_printed_amount_is_of_the_size_of_a_network():
    for cell in literature():
        if cell.parameters:
            assert 5e3 < amount(cell.parameters) < 1e8, cell
        if cell.multiply_adds:
            assert 1e9 < amount(cell.multiply_adds) < 2e13, cell


def test_the_page_plots_what_has_a_size_and_what_the_run_knows_of_its_own(data):
    drawn = points(data)
    assert {point["protocol"] for point in drawn} == {"literature"}
    assert all(point["parameters"] or point["multiply_adds"] for point in drawn)
    assert ("carn", 2, 37.76) in [(point["method"], point["scale"], point["psnr"]) for point in drawn]
    assert {(cost["method"], cost["scale"]) for cost in expenses(data)} == {(MODEL, 2), (MODEL, 4)}
