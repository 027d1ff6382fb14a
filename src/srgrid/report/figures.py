"""Print-ready comparison figures (300 dpi PNG, vector PDF) in the layout of the super-resolution literature."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.metrics import Metric
from srgrid.records import SELECTION, file_digest, write_record
from srgrid.report.choose import Choice, Crop
from srgrid.report.previews import previews
from srgrid.report.selection import GIVEN, Selection, Shown, Wanted, select
from srgrid.report.sources import CellImages, Image
from srgrid.report.tables import best_methods, headings, score_text

WIDTH = 7.0  # inches: the text width of a two-column paper
GAP, CELL_GAP, LABEL, HEAD = 0.12, 0.07, 0.36, 0.24
LARGEST = 2.4  # inches: side of a crop
ROW_GAP = 0.04  # inches between the crops of a paper's figure
SMALLEST_TYPE = 4.5  # points that can be read in print
_CHARACTER = 0.5 / 72  # inches: mean width of a character, for each point of its size
MARGIN = 0.04  # inches left of a title and of crops alone, which a page would cut into otherwise
FRAME = (("black", 2.6), ("#ffd400", 1.3))  # of the crop: seen on any image, and with any eyes

STYLE: Any = {
    "font.family": "STIXGeneral",  # ships with matplotlib: the same glyphs everywhere
    "text.parse_math": False,  # names are shown as they are, dollar signs too
    "font.size": 8.5,
    "pdf.fonttype": 42,
    "image.interpolation": "nearest",
    "image.composite_image": False,
}


@dataclass(frozen=True)
class Panel:
    """One image of a figure.

    hr, srs (method -> SR): arrays in 0..255, of one height and width. texts: what stands below each method's crop.
    heading: what these texts hold. best: the methods in bold. crop: x, y, width, height.
    """

    name: str
    title: str
    hr: Image
    srs: Mapping[str, Image]
    crop: Crop
    texts: Mapping[str, str] = field(default_factory=dict)
    best: Collection[str] = ()
    heading: str = ""


def show(
    cell: CellImages,
    wanted: Wanted,
    out_png: Path,
    out_dir: Path | None,
    whole: bool = True,
    row_mm: float | None = None,
) -> None:
    """Select what is shown of a cell, write that down, draw it (`draw`), and make the page's previews in `out_dir`.

    Raises SrgridError when a file would be written over what it is made of.
    """
    record = Path(out_png).with_suffix(SELECTION)
    cell.keep_apart(record, *([out_dir] if out_dir else []))
    selection = select(cell, wanted)
    selection.write(record)
    draw(selection, cell, out_png, whole, row_mm)
    if out_dir:
        previews(selection, cell, out_dir, whole)


def draw(
    selection: Selection, cell: CellImages, out_png: Path, whole: bool = True, row_mm: float | None = None
) -> None:
    """Draw a cell's figure of the selected images: .png, with .pdf and the record .json beside it.

    Each image is a part of its own: the whole HR with the crop marked, and the crops of HR and of every method with
    their scores below. Without `whole`, only the crops are shown: for images that may not be passed on. row_mm: draw
    for a paper instead, so many millimetres wide: a row of crops for each image (`draw_rows`).
    Raises SrgridError when a file would be written over what it is made of.
    """
    png, pdf, record = (Path(out_png).with_suffix(suffix) for suffix in (".png", ".pdf", ".json"))
    cell.keep_apart(png, pdf, record)
    panels = [_panel(shown, cell) for shown in selection.figure]
    if row_mm is None:
        draw_panels(panels, png, pdf, whole)
    else:
        draw_rows(panels, png, pdf, row_mm)
    made = {
        "sha256": {file.name: file_digest(file) for file in (png, pdf)},
        "methods": list(selection.methods),
        "png": png.name,
        "pdf": pdf.name,
        "images": [shown.entry() for shown in selection.figure],
    }
    write_record(record, "figure", {**selection.origin(), **made})


def _panel(shown: Shown, cell: CellImages) -> Panel:
    choice = shown.choice
    hr, srs = cell.pair(choice.image)
    title = f"{choice.image} · {cell.dataset} ×{cell.scale}"
    title += "" if choice.role == GIVEN else f" · {choice_text(choice, cell.metrics[0])}"
    scores = cell.scores[cell.scores["image"] == choice.image].set_index("method")
    scores = scores[scores.index.isin(list(srs))]
    values = {str(method): [row[metric.name] for metric in cell.metrics] for method, row in scores.iterrows()}
    texts = {method: score_text(cell.metrics, held) for method, held in values.items()}
    best = best_methods(cell.metrics[0], {method: held[0] for method, held in values.items()})
    return Panel(choice.image, title, hr, srs, shown.crop, texts, best, headings(cell.metrics))


def choice_text(choice: Choice, metric: Metric) -> str:
    """Why an image is shown: "largest gain, +1.89 dB over bicubic (mean of a and b)"."""
    own = metric.label in choice.role  # of the metric itself, no gain
    number = "∞" if np.isinf(choice.value) else f"{choice.value:{'' if own else '+'}.{metric.printed}f}"
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{choice.role}, {number}{unit}{'' if own else ' over bicubic'} ({choice.whose})"


@dataclass(frozen=True)
class _Layout:
    rows: int
    columns: int
    side: float
    crop_aspect: float
    image: tuple[float, float]

    @property
    def height(self) -> float:
        return HEAD + self.image[1] + LABEL


def _layout(panel: Panel, whole: bool) -> _Layout:
    """Rows and columns of crops beside the whole image that give the largest crops on the page's width."""
    height, width = panel.hr.shape[:2]
    aspect, crop_aspect = width / height if whole else 0.0, panel.crop[2] / panel.crop[3]
    count = 1 + len(panel.srs)
    options = []
    for rows in (1, 2, 3):
        columns = -(-count // rows)
        if rows > count or (rows - 1) * columns >= count:
            continue
        between = (rows - 1) * (LABEL + CELL_GAP)
        free = WIDTH - GAP - (columns - 1) * CELL_GAP - aspect * between
        side = min(free / (aspect * rows + columns * crop_aspect), LARGEST)
        tall = rows * side + between
        if (side > 0.3 and tall < 3.6) or rows == 1:
            options.append(_Layout(rows, columns, max(side, 0.3), crop_aspect, (aspect * tall, tall)))

    def worth(layout: _Layout) -> float:
        empty = layout.rows * layout.columns - count
        return layout.side * layout.crop_aspect + 0.1 * layout.rows - 0.05 * empty

    return max(options, key=worth)


def draw_panels(panels: Sequence[Panel], out_png: Path, out_pdf: Path, whole: bool = True) -> None:
    """Draw panels below each other; the same panels give the same bytes. `whole`: see `draw`."""
    if not panels:
        raise SrgridError(f"No images for {out_png}: a figure needs at least one.")
    layouts = [_layout(panel, whole) for panel in panels]
    total = sum(layout.height for layout in layouts) + 0.1 * (len(panels) - 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, total), dpi=300)
        FigureCanvasAgg(figure)
        top = total
        for panel, layout in zip(panels, layouts, strict=True):
            _draw_panel(_Sheet(figure, WIDTH, total), panel, layout, top)
            top -= layout.height + 0.1
        _save(figure, out_png, out_pdf)


def _save(figure: Figure, out_png: Path, out_pdf: Path) -> None:
    with staged_file(Path(out_png)) as staged:
        figure.savefig(staged, format="png", metadata={"Software": None})
    nothing = dict.fromkeys(("Creator", "Producer", "CreationDate", "ModDate"))
    with staged_file(Path(out_pdf)) as staged:
        figure.savefig(staged, format="pdf", metadata=nothing)


def draw_rows(panels: Sequence[Panel], out_png: Path, out_pdf: Path, width_mm: float) -> None:
    """Draw panels for a paper: in a row the crop of HR and of each method, scores below, names above the first row.

    width_mm: of the figure, such as 88 for one column of a page and 178 for two. Raises SrgridError if it is too narrow
    for the methods, or there are no panels.
    """
    if not panels:
        raise SrgridError(f"No images for {out_png}: a figure needs at least one.")
    names = ["HR", *panels[0].srs]
    width = width_mm / 25.4
    side = (width - (len(names) - 1) * ROW_GAP) / len(names)
    texts = {name for panel in panels for name in (*names, *panel.texts.values(), panel.name)}
    size = min(8.0, side / (_CHARACTER * max(map(len, texts))))
    if size < SMALLEST_TYPE:
        raise SrgridError(
            f"{out_png}: {width_mm:g} mm are too narrow for {len(names)} crops; give more, or fewer methods"
        )
    line = 1.35 * size / 72
    heights = [side * panel.crop[3] / panel.crop[2] + line for panel in panels]
    total = line + sum(heights) + ROW_GAP * (len(panels) - 1)
    with rc_context({**STYLE, "font.size": size}):
        figure = Figure(figsize=(width, total), dpi=300)
        FigureCanvasAgg(figure)
        sheet, top = _Sheet(figure, width, total), total - line
        for index, name in enumerate(names):
            sheet.text(index * (side + ROW_GAP) + side / 2, top + 0.25 * line, name, ha="center", va="baseline")
        for panel, height in zip(panels, heights, strict=True):
            _draw_row(sheet, panel, (side, height - line), top)
            top -= height + ROW_GAP
        _save(figure, out_png, out_pdf)


def _draw_row(sheet: "_Sheet", panel: Panel, size: tuple[float, float], top: float) -> None:
    """size: width and height of a crop."""
    x, y, w, h = panel.crop
    width, height = size
    for index, (name, image) in enumerate({"HR": panel.hr, **panel.srs}.items()):
        left = index * (width + ROW_GAP)
        sheet.picture(image[y : y + h, x : x + w], left, top - height, width, height)
        style: Any = {"ha": "center", "va": "top", "weight": "bold" if name in panel.best else "normal"}
        text = panel.texts.get(name, "not scored") if index else panel.name
        sheet.text(left + width / 2, top - height - 0.03, text, **style)


@dataclass(frozen=True)
class _Sheet:
    """The figure's paper, measured in inches from its lower left."""

    figure: Figure
    width: float
    height: float

    def picture(self, image: Image, x: float, y: float, width: float, height: float) -> Any:
        """Show an image there; returns its axes."""
        axes = self.figure.add_axes((x / self.width, y / self.height, width / self.width, height / self.height))
        axes.set(xticks=[], yticks=[])
        _show(axes, image)
        return axes

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write text there."""
        self.figure.text(x / self.width, y / self.height, text, **style)


def _draw_panel(sheet: _Sheet, panel: Panel, layout: _Layout, top: float) -> None:
    size = min(9.5, 930 / len(panel.title))
    sheet.text(MARGIN, top - 0.13, panel.title, fontsize=size, va="center", weight="bold")
    x, y, w, h = panel.crop
    width, height = layout.image
    if width:
        base = top - HEAD - height
        axes = sheet.picture(panel.hr, 0, base, width, height)
        _mark(axes, panel, width)
        sheet.text(width / 2, base - 0.06, f"{panel.name} (HR)", ha="center", va="top", style="italic")
    crop_width = layout.side * layout.crop_aspect
    crops = layout.columns * layout.side * layout.crop_aspect + (layout.columns - 1) * CELL_GAP
    start = WIDTH - crops if width else MARGIN
    for index, (name, image) in enumerate({"HR": panel.hr, **panel.srs}.items()):
        row, column = divmod(index, layout.columns)
        left = start + column * (crop_width + CELL_GAP)
        bottom = top - HEAD - layout.side - row * (layout.side + LABEL + CELL_GAP)
        sheet.picture(image[y : y + h, x : x + w], left, bottom, crop_width, layout.side)
        style: Any = {"ha": "center", "va": "top", "weight": "bold" if name in panel.best else "normal"}
        middle, colour = left + crop_width / 2, "black" if index else "#444444"
        text = panel.texts.get(name, "not scored") if index else panel.heading
        sheet.text(middle, bottom - 0.06, name, **style)
        sheet.text(middle, bottom - 0.195, text, fontsize=7.8, color=colour, **style)


def _mark(axes: Any, panel: Panel, inches: float) -> None:
    """Frame the crop on the whole image, `inches` wide. Where it touches a border, the line stays on the image."""
    height, width = panel.hr.shape[:2]
    x, y, w, h = panel.crop
    half = max(line for _, line in FRAME) / 2 / 72 * width / inches  # of the line, in pixels
    left, upper = max(x, half), max(y, half)
    right, lower = min(x + w, width - half), min(y + h, height - half)
    for colour, line in FRAME:
        corner = (left - 0.5, upper - 0.5)
        axes.add_patch(Rectangle(corner, right - left, lower - upper, fill=False, edgecolor=colour, linewidth=line))


def _show(axes: Any, image: Image) -> None:
    shown = np.clip(np.floor(np.asarray(image, dtype=np.float64) + 0.5), 0, 255).astype(np.uint8)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, aspect="auto")
    for spine in axes.spines.values():
        spine.set(linewidth=0.4, edgecolor="#222222")
