"""The page in a real browser: it sorts, filters, slides, zooms, obeys the keyboard, and asks nothing of the network."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from run_dir import MODEL, edit_record, make_run, write_tables

from srgrid.metrics import get_metrics
from srgrid.records import write_record
from srgrid.report.card import build_card
from srgrid.report.differences import paired

pytestmark = pytest.mark.browser

HOSTILE = '</script><script>window.hacked="data"</script>'
HOSTILE_IMAGES = ('<img src=x onerror="window.hacked=1">', "a|b`c`*d*", "$x$ & {{ 7 * 7 }}", "plain")
SIZES = {"phone": (390, 844), "desktop": (1440, 900)}


class Watched:
    """A page whose console errors, exceptions and requests are written down."""

    def __init__(
        self,
        browser: Browser,
        file: Path,
        size: tuple[int, int] = (1440, 900),
        scheme: str = "light",
        *,
        plot: bool = True,
    ) -> None:
        self.page: Page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("#plot-gain svg" if plot else "#plot-gain p")

    def check(self, file: Path) -> None:
        assert self.errors == []
        assert [url for url in self.requests if not url.startswith("data:")] == [file.as_uri()]


@pytest.fixture
def watched(browser: Browser, page_file: Path) -> Iterator[Watched]:
    opened = Watched(browser, page_file)
    yield opened
    opened.check(page_file)
    opened.page.close()


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


def column(page: Page, number: int) -> list[str]:
    """The text of a column of the grid's visible rows."""
    return page.locator(f"#grid-table tbody tr:visible > :nth-child({number})").all_inner_texts()


def transforms(page: Page) -> list[str]:
    return page.locator(".viewport img").evaluate_all("all => all.map((img) => img.style.transform)")


def test_filters_show_the_rows_and_columns_asked_for(page: Page) -> None:
    assert column(page, 3) == ["rgb8", "rgb8"]
    page.select_option("#f-protocol", "")
    assert page.inner_text("#grid-count") == "4 of 4 rows"
    page.select_option("#f-scale", "4")
    assert column(page, 2) == ["×4", "×4"]
    page.select_option("#f-protocol", "luma8")
    assert page.inner_text("#grid-count") == "1 of 4 rows"
    assert column(page, 6) == ["missing\nthe x4 weights were lost at sea"]
    page.locator(".columns summary").click()
    page.get_by_label(MODEL, exact=True).uncheck()
    assert page.locator(f"#grid-table [data-column='{MODEL}']:visible").count() == 0
    assert page.locator("#grid-table td[data-column='bicubic']:visible").count() == 1


def test_the_grid_sorts_by_a_method_best_first_and_missing_last(page: Page) -> None:
    page.select_option("#f-protocol", "")
    head = page.locator("#grid-table").get_by_role("columnheader", name=MODEL, exact=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    values = column(page, 6)
    assert values[-1].startswith("missing")
    numbers = [float(value.split(" ")[0]) for value in values[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 6)[-1].startswith("missing")
    assert [float(value.split(" ")[0]) for value in column(page, 6)[:-1]] == numbers[::-1]


def test_columns_move_hide_and_come_back(page: Page) -> None:
    page.locator(".columns summary").click()
    page.get_by_role("button", name=f"Move {MODEL} to the left").click()
    assert page.locator("#grid-table thead th").nth(4).inner_text() == MODEL
    assert page.locator("#grid-table tbody tr").first.locator("td").nth(3).get_attribute("data-column") == MODEL
    assert page.evaluate("document.activeElement.closest('li').textContent").startswith(f" {MODEL}")
    page.get_by_role("button", name=f"Move {MODEL} to the right").click()
    assert page.locator("#grid-table thead th").nth(5).inner_text() == MODEL
    page.get_by_label(MODEL, exact=True).uncheck()
    assert MODEL not in page.evaluate("SR.asText('markdown')")
    page.get_by_label(MODEL, exact=True).check()
    assert MODEL in page.evaluate("SR.asText('markdown')")


def test_intervals_can_be_left_out(page: Page) -> None:
    shown = page.locator("#grid-table .interval:visible")
    assert shown.count() > 2
    page.uncheck("#f-intervals")
    assert shown.count() == 0
    assert page.locator("#grid-table .gain:visible").first.inner_text().startswith("gain +")


def test_gains_over_any_method_have_students_interval(page: Page, page_file: Path) -> None:
    rows = pd.read_csv(page_file.parent / "scores.csv").query("scale == 2 and protocol == 'rgb8'")
    psnr = {method: own["psnr"].to_numpy() for method, own in rows.groupby("method")}
    mean, low, high, *_ = paired(psnr["bicubic"] - psnr[MODEL])
    cell = page.locator("#grid-table tbody tr:visible").first.locator("[data-column='bicubic']")
    before = page.locator("#grid-table tbody").inner_text()
    page.select_option("#f-base", MODEL)
    text = " ".join(cell.locator(".gain").inner_text().replace("−", "-").split())
    assert text == f"gain {mean:+.2f} dB ({low:+.2f} to {high:+.2f})"
    assert page.inner_text("#gain-note").startswith(f"Gains are over {MODEL}")
    page.select_option("#f-base", "bicubic")
    assert page.locator("#grid-table tbody").inner_text() == before


def test_the_table_is_copied_as_it_is_shown(page: Page) -> None:
    page.click("[data-copy=markdown]")
    lines = page.input_value("#copy-text").splitlines()
    assert lines[0] == f"| Data set | Scale | Protocol | bicubic | {MODEL} |"
    assert re.fullmatch(r"\| photos \| ×2 \| rgb8 \| [\d.]+/0[\d.]+ \| \*\*[\d.]+\*\*/\*\*0[\d.]+\*\* \|", lines[2])
    assert len(lines) == 4
    page.click("[data-copy=latex]")
    text = page.input_value("#copy-text")
    assert re.search(
        r"photos & \$\\times\$2 & rgb8 & [\d.]+/[\d.]+ & \\textbf\{[\d.]+\}/\\textbf\{[\d.]+\} \\\\\n", text
    )
    assert text.startswith("\\begin{tabular}{lllcc}\n\\toprule\n")
    assert page.inner_text("#copied") in ("Copied.", "Selected below; copy it with Ctrl+C.")


def test_a_headline_of_which_less_is_better(browser: Browser, tmp_path: Path) -> None:
    make_run(tmp_path, metrics=get_metrics(["toy_metric:MAE", "psnr"]))
    build_card(tmp_path)
    opened = Watched(browser, tmp_path / "model_card.html")
    page = opened.page
    head = page.locator("#grid-table").get_by_role("columnheader", name=MODEL, exact=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"  # best first
    values = [float(value.split(" ")[0]) for value in column(page, 6)]
    assert values == sorted(values)
    for row in page.locator("#grid-table tbody tr:visible").all():
        numbers = [float(text.split(" / ")[0]) for text in row.locator(".num").all_inner_texts()]
        assert float(row.locator("b").first.inner_text()) == min(numbers)
    heads = page.locator("#image-scores th[scope=col]").all_inner_texts()
    assert heads == ["Method", "MAE, levels", "PSNR, dB", "Gain, levels"]
    assert page.locator("#strip .role").first.inner_text().startswith("largest gain, −")
    shown = page.locator("#panes figcaption span").all_inner_texts()
    assert all(re.fullmatch(r"\d+\.\d{3} levels / \d+\.\d{2} dB", text) for text in shown[1:])
    assert "MAE gain" in (page.locator("#plot-gain svg").get_attribute("aria-label") or "")
    assert page.locator("#plot-gain rect.up").count() == 3
    opened.check(tmp_path / "model_card.html")
    page.close()


def test_a_phone_sorts_through_a_list(browser: Browser, page_file: Path) -> None:
    opened = Watched(browser, page_file, SIZES["phone"])
    assert not opened.page.locator("#grid-table thead").is_visible()
    opened.page.select_option("#f-sort", "scale:1")
    assert column(opened.page, 2) == ["×2", "×4"]
    opened.page.select_option("#f-sort", "m-0:-1")
    values = [float(value.split(" ")[0]) for value in column(opened.page, 5)]
    assert values == sorted(values, reverse=True)
    opened.check(page_file)
    opened.page.close()


def test_a_cell_opens_its_images(page: Page) -> None:
    page.locator("#grid-table tbody tr:visible").nth(1).locator(f"[data-column='{MODEL}'] button").press("Enter")
    assert page.input_value("#c-scale") == "4"
    assert (page.input_value("#c-left"), page.input_value("#c-right")) == ("bicubic", MODEL)
    assert page.evaluate("document.activeElement.textContent") == "Compare images"
    assert "×4" in page.inner_text("#image-note")


def test_largest_gain_median_and_largest_loss_come_first(page: Page) -> None:
    roles = page.locator("#strip .role").all_inner_texts()
    assert [role.split(",")[0] for role in roles[:3]] == ["largest gain", "median", "largest loss"]
    assert page.locator("#strip input").first.is_checked()
    page.locator("#strip input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#strip input").nth(1).is_checked()
    assert page.inner_text("#image-title") == page.locator("#strip label span").nth(2).inner_text()


def test_the_slider_moves_by_drag_and_by_keys(page: Page) -> None:
    page.locator("#slider-view").scroll_into_view_if_needed()
    box = page.locator("#slider-view .viewport").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, middle, steps=4)
    page.mouse.up()
    assert float(page.input_value("#split")) == pytest.approx(25, abs=1)
    assert page.locator(".clip").evaluate("node => node.style.clipPath").startswith("inset(0px 0px 0px 2")
    page.locator("#split").focus()
    before = float(page.input_value("#split"))
    page.keyboard.press("ArrowRight")
    assert float(page.input_value("#split")) > before
    page.keyboard.press("End")
    assert page.locator(".bar").evaluate("node => node.style.left") == "100%"


def test_zoom_and_pan_are_the_same_in_every_crop(page: Page) -> None:
    page.click("#zoom-all")
    assert set(transforms(page)) == {"scale(1) translate(0%, 0%)"}
    page.click("#zoom-in")
    zoomed = set(transforms(page))
    assert len(zoomed) == 1
    assert zoomed.pop().startswith("scale(1.5)")
    pane = page.locator("#panes .viewport").nth(1)
    pane.scroll_into_view_if_needed()
    box = pane.bounding_box()
    assert box
    before = transforms(page)
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 80, steps=3)
    page.mouse.up()
    after = transforms(page)
    assert len(set(after)) == 1
    assert after != before
    assert len(after) == 5


def test_crops_obey_the_keyboard(page: Page) -> None:
    page.click("#zoom-all")
    page.locator("#panes .viewport").first.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert page.inner_text("#zoom-level") == "2.3×"
    before = transforms(page)
    page.keyboard.press("ArrowRight")
    moved = transforms(page)
    assert len(set(moved)) == 1
    assert moved != before
    page.keyboard.press("0")
    assert page.inner_text("#zoom-level") == "1.0×"


def test_the_error_map_stands_in_for_the_methods_alone(page: Page) -> None:
    page.check("#error")
    classes = page.locator("#panes img").evaluate_all("all => all.map((img) => [img.alt.split(':')[0], img.className])")
    assert classes == [
        ["HR original", ""],
        ["Error map of bicubic against HR", "error"],
        [f"Error map of {MODEL} against HR", "error"],
    ]
    assert page.locator("#error-legend").is_visible()
    page.uncheck("#error")
    assert page.locator("img.error").count() == 0


def test_a_link_opens_the_same_view(browser: Browser, page_file: Path) -> None:
    opened = Watched(browser, page_file)
    page = opened.page
    page.select_option("#c-scale", "4")
    page.select_option("#c-protocol", "luma8")
    page.locator("#strip input").nth(1).check(force=True)
    page.select_option("#c-left", "HR")
    page.select_option("#c-right", MODEL)
    page.check("#error")
    page.click("#zoom-in")
    page.locator("#panes .viewport").first.focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#split").focus()
    page.keyboard.press("ArrowLeft")
    page.click("#link")

    def seen(one: Page) -> list[object]:
        controls = [one.input_value(f"#c-{name}") for name in ("dataset", "scale", "protocol", "left", "right")]
        shown = [one.inner_text(f"#{name}") for name in ("image-title", "zoom-level")]
        moved = [[round(float(n), 2) for n in re.findall(r"-?[\d.]+", text)] for text in transforms(one)]
        return [*controls, *shown, moved, float(one.input_value("#split")), one.is_checked("#error")]

    other = browser.new_page(viewport={"width": 1440, "height": 900})
    other.goto(page.url)
    other.wait_for_selector("#plot-gain svg")
    assert seen(other) == seen(page)
    assert "#compare?" in page.url
    other.goto(page.url.replace("image=", "image=no-such-"))
    other.reload()
    assert "no preview of no-such-" in other.inner_text("#compare-missing")
    other.close()
    assert opened.errors == []
    page.close()


def test_methods_stand_in_the_order_of_the_config(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", scales=(2,))
    edit_record(run / "provenance.json", lambda record: record["config"].update(methods=[MODEL, "bicubic"]))
    build_card(run)
    opened = Watched(browser, run / "model_card.html")
    heads = opened.page.locator("#grid-table thead [data-column]").all_inner_texts()
    panes = opened.page.locator("#panes figcaption b").all_inner_texts()
    scores = opened.page.locator("#image-scores tbody th").all_inner_texts()
    assert (heads, panes[1:], scores) == ([MODEL, "bicubic"],) * 3
    opened.page.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_pixel_is_a_pixel_at_1_to_1_and_all_is_the_whole_image(browser: Browser, page_file: Path, size: str) -> None:
    opened = Watched(browser, page_file, SIZES[size])
    page = opened.page
    width = page.evaluate("SR.compare.image.view[2]")
    page.click("#zoom-one")
    assert page.get_attribute("#zoom-one", "aria-pressed") == "true"
    view = page.locator("#slider-view .viewport").bounding_box()
    assert view
    assert view["width"] == width
    page.click("#zoom-all")
    assert page.get_attribute("#zoom-one", "aria-pressed") == "false"
    assert page.inner_text("#zoom-level") == "1.0×"
    assert page.evaluate("SR.compare.image.view") == [0, 0, *page.evaluate("SR.compare.image.size")]
    opened.check(page_file)
    page.close()


def test_a_page_of_crops_alone_shows_no_whole_image(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", scales=(2,), whole=False, part=(slice(300), slice(400)))
    build_card(run)
    opened = Watched(browser, run / "model_card.html")
    page = opened.page
    assert page.evaluate("SR.data.previews[0].images.map((image) => image.whole)") == [False] * 4
    assert not page.locator("#whole").is_visible()
    sizes = page.locator("#strip img").evaluate_all("all => all.map((img) => [img.naturalWidth, img.naturalHeight])")
    assert sizes == [[160, 150]] * 4  # of the region, not of the image of 400 x 300
    assert page.evaluate("SR.compare.image.view.slice(2)") == [160, 150]
    page.close()


def test_scores_follow_the_protocol_and_missing_ones_are_named(page: Page) -> None:
    rgb8 = page.locator("#image-scores tbody").inner_text()
    page.select_option("#c-protocol", "luma8")
    assert page.locator("#image-scores tbody").inner_text() != rgb8
    page.select_option("#c-scale", "4")
    assert "missing" in page.locator("#image-scores tbody").inner_text()
    assert "not scored under luma8" in page.locator("#panes").inner_text()


def test_plots_are_drawn_and_follow_their_controls(page: Page) -> None:
    for name in ("gain", "spread", "size", "curve"):
        assert page.locator(f"#plot-{name} svg[role='img']").get_attribute("aria-label")
    assert page.locator("#plot-gain rect.up").count() == 3
    assert page.locator("#plot-gain rect.down").count() == 1
    assert "Nothing was published" in page.inner_text("#plot-published")
    page.select_option("#p-scale", "4")
    page.select_option("#p-protocol", "luma8")
    assert "lost at sea" in page.inner_text("#plot-gain")
    page.select_option("#p-cost", "training")
    page.select_option("#p-protocol", "rgb8")
    assert "training time" in page.inner_text("#plot-size")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("by", ["parameters", "training"])
def test_networks_of_the_literature_are_plotted_and_labels_do_not_overlap(
    browser: Browser, tmp_path: Path, size: str, by: str
) -> None:
    run = make_run(tmp_path / "run", "Set5", scales=(2,), protocols=("rgb8", "literature"))
    build_card(run)
    opened = Watched(browser, run / "model_card.html", SIZES[size])
    page = opened.page
    page.select_option("#p-cost", by)
    page.select_option("#p-protocol", "literature")
    boxes = page.locator("#plot-size svg text").evaluate_all(
        "all => all.map((one) => { const b = one.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
    )
    printed = page.locator("#plot-size circle.printed").count()
    assert (printed > 10) == (by == "parameters")
    assert page.locator("#plot-size circle.mark").count() == 1
    crossing = [
        (a, b)
        for k, a in enumerate(boxes)
        for b in boxes[:k]
        if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 3
    ]
    assert crossing == []
    page.select_option("#p-protocol", "rgb8")
    assert page.locator("#plot-size circle.printed").count() == 0
    opened.page.close()


def test_gains_are_plotted_of_any_method_over_any_other(page: Page, page_file: Path) -> None:
    page.select_option("#p-method", MODEL)
    assert page.locator("#plot-forest circle").count() == 2
    assert page.locator("#plot-forest .whisker").count() == 2
    names = page.locator("#plot-gain text").all_text_contents()
    assert {"astronaut", "chelsea", "coffee", "camera"} <= set(names)
    assert "PSNR gain over bicubic, dB" in names
    page.select_option("#p-base", MODEL)
    assert "compared with itself" in page.inner_text("#plot-gain")
    assert page.locator("#plots .over").first.inner_text() == MODEL


def test_curves_differ_by_dashes_and_carry_their_names(page: Page) -> None:
    dashes = page.locator("#plot-curve polyline").evaluate_all("all => all.map((one) => one.style.strokeDasharray)")
    assert len(set(dashes)) == len(dashes) > 0
    page.select_option("#p-series", label="loss")
    assert "log scale" in page.inner_text("#plot-curve")
    page.select_option("#p-series", label="learning rate")
    assert "learning rate" in (page.locator("#plot-curve svg").get_attribute("aria-label") or "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_axe_finds_no_serious_fault(browser: Browser, tmp_path: Path, size: str, scheme: str) -> None:
    run = make_run(tmp_path / "run", "Set5", scales=(2,), protocols=("rgb8", "literature"))
    build_card(run)
    opened = Watched(browser, run / "model_card.html", SIZES[size], scheme)
    opened.page.locator(".columns summary").click()
    opened.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = Axe().run(opened.page).response["violations"]
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    opened.page.close()


def test_a_bar_opens_its_image(page: Page) -> None:
    page.locator("#plot-gain rect.down").click()
    assert page.inner_text("#image-title") == "camera"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_layout_holds(browser: Browser, page_file: Path, size: str, scheme: str) -> None:
    opened = Watched(browser, page_file, SIZES[size], scheme)
    width = SIZES[size][0]
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    outside = opened.page.evaluate(
        """width => [...document.querySelectorAll("main *, header *")].filter((node) => {
            const box = node.getBoundingClientRect();
            const scrolls = node.closest(".scroll, .strip, svg, .viewport, .skip, pre");
            return box.width > 0 && !scrolls && (box.right > width + 1 || box.left < -1);
        }).map((node) => node.outerHTML.slice(0, 90))""",
        width,
    )
    assert outside == []
    opened.check(page_file)
    opened.page.close()


def contrast(page: Page, selector: str) -> float:
    """WCAG contrast of an element's text against the nearest opaque background."""
    return page.locator(selector).first.evaluate(
        """node => {
            const parse = (text) => text.match(/[\\d.]+/g).map(Number);
            const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
                .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
                .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
            let behind = node, back = [0, 0, 0, 0];
            while (behind && (back.length > 3 && back[3] < 1)) {
                back = parse(getComputedStyle(behind).backgroundColor);
                behind = behind.parentElement;
            }
            const [a, b] = [light(parse(getComputedStyle(node).color)), light(back)].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05);
        }"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_and_images_have_texts(browser: Browser, page_file: Path, scheme: str) -> None:
    opened = Watched(browser, page_file, scheme=scheme)
    opened.page.select_option("#f-protocol", "")
    texts = ("body", ".lede", ".facts dt", ".note", ".grid small", ".grid .missing", "nav a", "select", ".button")
    for selector in texts:
        assert contrast(opened.page, selector) >= 4.5, selector
    images = opened.page.locator("img").evaluate_all("all => all.filter((img) => !img.hasAttribute('alt')).length")
    assert images == 0
    unnamed = opened.page.evaluate(
        """[...document.querySelectorAll("button, select, input, a")].filter((node) =>
            !(node.textContent.trim() || node.getAttribute("aria-label") || node.closest("label"))).length"""
    )
    assert unnamed == 0
    opened.check(page_file)
    opened.page.close()


def test_the_theme_can_be_chosen(page: Page) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = paper()
    page.click("#theme")
    assert paper() == light
    page.click("#theme")
    assert paper() != light
    page.click("#theme")
    assert paper() == light


def test_text_from_data_is_shown_and_never_executed(browser: Browser, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", dataset=HOSTILE, names=HOSTILE_IMAGES, scales=(2,))
    build_card(run, title=HOSTILE)
    opened = Watched(browser, run / "model_card.html")
    assert opened.page.evaluate("window.hacked") is None
    assert HOSTILE in opened.page.inner_text("h1")
    assert HOSTILE_IMAGES[0] in opened.page.inner_text("#strip")
    opened.page.locator("#strip input").nth(2).check(force=True)
    opened.page.select_option("#p-method", MODEL)
    assert opened.page.evaluate("window.hacked") is None
    assert HOSTILE in opened.page.inner_text("#grid-table tbody")
    opened.check(run / "model_card.html")
    opened.page.close()


def test_downloads_carry_the_tables(page: Page, page_file: Path) -> None:
    for name in ("grid.csv", "scores.csv"):
        with page.expect_download() as download:
            page.click(f"a[download='{name}']")
        assert Path(download.value.path()).read_bytes() == (page_file.parent / name).read_bytes()


def test_a_run_of_bicubic_alone_has_a_page_too(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    run = page_file.parent
    rows = [line for line in (run / "scores.csv").read_text().splitlines() if MODEL not in line]
    write_tables(tmp_path, "\n".join(rows) + "\n")
    write_record(
        tmp_path / "provenance.json", "provenance", {"config": {}, "missing": [], "outputs": {}, "weights": {}}
    )
    build_card(tmp_path, title="bicubic alone")
    opened = Watched(browser, tmp_path / "model_card.html", plot=False)
    assert "No model was run" in opened.page.inner_text("#plot-gain")
    assert "No previews were made" in opened.page.inner_text("#compare")
    assert "missing" not in opened.page.inner_text("#grid-table")
    opened.check(tmp_path / "model_card.html")
    opened.page.close()
