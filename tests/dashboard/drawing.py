"""Panels as pictures: enough of what Grafana does with numbers to tell one from the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

mpl.use("Agg")

Points = tuple[Sequence[float], Sequence[float]]
"""Seconds since the beginning, and values; a gap is not a number."""

COLUMNS = 24
HEAD = 4
"""Units of height above the first row, for the caption."""
UNIT_HEIGHT, WIDTH, DPI = 0.30, 15.0, 72
"""Inches of the dashboard's unit of height, and of all of it."""
COLORS = 64
"""Enough for lines and letters; more make a bigger file."""
PALETTE = [mpl.colormaps["tab20"](n) for n in range(20)]
"""As many as there are codes, and more."""
MARKS = {"blue": "tab:blue", "red": "tab:red"}
UNITS: dict[str, tuple[float, str]] = {
    "reqps": (1, "/s"),
    "percentunit": (100, " %"),
    "s": (1, " s"),
    "short": (1, ""),
}
UNITS |= {"Bps": (1 / 1024, " KiB/s"), "bytes": (1 / 1024**2, " MiB")}


@dataclass(frozen=True)
class Line:
    """One series of a panel."""

    name: str
    points: Points


@dataclass
class Drawn:
    """A panel, as the dashboard has it, and its data."""

    panel: dict[str, Any]
    lines: list[Line] = field(default_factory=list)

    @property
    def place(self) -> dict[str, int]:
        place: dict[str, int] = self.panel["gridPos"]
        return place

    @property
    def defaults(self) -> dict[str, Any]:
        defaults: dict[str, Any] = self.panel["fieldConfig"]["defaults"]
        return defaults

    @property
    def unit(self) -> tuple[float, str]:
        return UNITS[self.defaults.get("unit", "short")]


def draw(
    panels: list[Drawn], marks: list[tuple[float, str]], caption: str, comment: str, path: Path
) -> None:
    """Draw all of the dashboard, with marks over the panels that have a time axis."""
    height = max(drawn.place["y"] + drawn.place["h"] for drawn in panels) + HEAD
    figure = Figure(figsize=(WIDTH, height * UNIT_HEIGHT), dpi=DPI)
    figure.text(0.01, 1 - 0.3 / height, caption, fontsize=10, va="top", style="italic")
    for drawn in panels:
        place = drawn.place
        left, top = place["x"] / COLUMNS, place["y"] + HEAD
        if drawn.panel["type"] == "row":
            _row(figure, drawn.panel["title"], 1 - (top + 0.6) / height)
            continue
        box = (
            left + 0.035,
            1 - (top + place["h"] - 1.1) / height,
            place["w"] / COLUMNS - 0.045,
            (place["h"] - 2.6) / height,
        )
        axes = figure.add_axes(box)
        axes.set_title(drawn.panel["title"], fontsize=9, loc="left", fontweight="bold", pad=4)
        if drawn.panel["type"] == "timeseries":
            _series(axes, drawn, marks)
        else:
            _tiles(axes, drawn)
    _save(figure, comment, path)


def _row(figure: Figure, title: str, y: float) -> None:
    figure.text(0.01, y, f"▾ {title}", fontsize=12, va="center", fontweight="bold")


def _series(axes: Any, drawn: Drawn, marks: list[tuple[float, str]]) -> None:
    factor, unit = drawn.unit
    axes.set_prop_cycle(color=PALETTE)
    custom = drawn.defaults.get("custom", {})
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    apart = {o["matcher"]["options"] for o in drawn.panel["fieldConfig"]["overrides"]}
    below = [line for line in drawn.lines if line.name not in apart]
    if stacked and below:
        times = below[0].points[0]
        values = [[0 if math.isnan(v) else v * factor for v in ln.points[1]] for ln in below]
        axes.stackplot(times, values, labels=[line.name for line in below], alpha=0.7)
    for line in drawn.lines:
        if not stacked or line.name in apart:
            dashed = line.name.endswith(("backend", "slots"))
            axes.plot(
                line.points[0],
                [value * factor for value in line.points[1]],
                label=line.name,
                linewidth=1,
                linestyle="--" if dashed else "-",
                drawstyle="steps-post" if custom.get("lineInterpolation") else "default",
            )
    if custom.get("thresholdsStyle"):
        for step in drawn.defaults["thresholds"]["steps"][1:]:
            axes.axhline(step["value"] * factor, color=step["color"], linewidth=0.8, linestyle=":")
    for moment, color in marks:
        axes.axvline(moment, color=MARKS[color], linewidth=0.8, alpha=0.6)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.1)  # a level line is not to lie on the edge
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}{unit}")
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    if drawn.lines:
        axes.legend(fontsize=6.5, loc="upper left", ncol=2, framealpha=0.6)


def _tiles(axes: Any, drawn: Drawn) -> None:
    """Draw the last value of each series, with its color where it has one."""
    factor, unit = drawn.unit
    axes.axis("off")
    (mapping,) = drawn.defaults.get("mappings") or [{"options": {}}]
    for number, line in enumerate(drawn.lines):
        value = line.points[1][-1]
        told = mapping["options"].get(f"{value:g}", {})
        y = 1 - (number + 0.5) / len(drawn.lines)
        words = told.get("text", f"{value * factor:.3g}{unit}")
        color = told.get("color", "0.25")
        axes.text(0, y, f"{line.name}   {words}", fontsize=9, va="center", color=color)


def _save(figure: Figure, comment: str, path: Path) -> None:
    page = BytesIO()
    figure.savefig(page, format="png")
    note = PngInfo()
    note.add_text("Comment", comment)
    Image.open(page).convert("RGB").quantize(COLORS).save(path, optimize=True, pnginfo=note)
