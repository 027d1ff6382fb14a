"""The page in a real browser: it sorts, filters, slides, zooms, obeys the keyboard, and asks nothing of the network."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from run_dir import MODEL, make_run, write_tables

from srgrid.metrics import get_metrics
from srgrid.records import write_record
from srgrid.report.card import build_card

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
    page.select_option("#f-method", "bicubic")
    assert page.locator(f"#grid-table [data-method='{MODEL}']:visible").count() == 0
    assert page.locator("#grid-table td[data-method='bicubic']:visible").count() == 1


def test_the_grid_sorts_by_a_method_best_first_and_missing_last(page: Page) -> None:
    page.select_option("#f-protocol", "")
    head = page.locator("#grid-table").get_by_role("columnheader", name=MODEL)
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


def test_a_headline_of_which_less_is_better(browser: Browser, tmp_path: Path) -> None:
    make_run(tmp_path, metrics=get_metrics(["toy_metric:MAE", "psnr"]))
    build_card(tmp_path)
    opened = Watched(browser, tmp_path / "model_card.html")
    page = opened.page
    head = page.locator("#grid-table").get_by_role("columnheader", name=MODEL)
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
    opened.page.select_option("#f-sort", "1:1")
    assert column(opened.page, 2) == ["×2", "×4"]
    opened.page.select_option("#f-sort", "4:-1")
    values = [float(value.split(" ")[0]) for value in column(opened.page, 5)]
    assert values == sorted(values, reverse=True)
    opened.check(page_file)
    opened.page.close()


def test_a_cell_opens_its_images(page: Page) -> None:
    page.locator("#grid-table tbody tr:visible").nth(1).locator(f"[data-method='{MODEL}'] button").press("Enter")
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
