"""Draws curves over the optimizer's steps as SVG, for the page of a verified run and for the rules' pages."""

from __future__ import annotations

import io
from collections.abc import Sequence

from nnlint.records import dataclass
from nnlint.trials import Points


class PlotsMissing(Exception):
    """The plotting library is not installed; the message says which command installs it."""


@dataclass(frozen=True)
class Curve:
    """One curve of a figure: what the legend calls it, its points, and how it is drawn (`width` in points)."""

    label: str
    points: Points
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Look:
    """How a figure looks: `size` in inches, `ink` the colour of text and axes, `most_points` how many of a curve are drawn."""

    size: tuple[float, float] = (8, 3.2)
    ink: str = "#808080"
    most_points: int = 600
    is_logarithmic: bool = False
    has_text: bool = False
    """Whether letters stay text, in whatever font the reader has, instead of outlines: the file is a quarter as large."""


def drawn(title: str, curves: Sequence[Curve], look: Look, named: str = "") -> str:
    """The `<svg>` element of a figure of these curves; `named` is written at its vertical axis. Raises PlotsMissing."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotsMissing(
            "curves are drawn with matplotlib: install it with `pip install 'nnlint[verify]'`"
        ) from error
    settings = {"svg.fonttype": "none" if look.has_text else "path", "svg.hashsalt": title}
    with rc_context(settings):
        figure = Figure(figsize=look.size, layout="constrained")
        axes = figure.add_subplot()
        for curve in curves:
            points = curve.points[:: max(1, len(curve.points) // look.most_points)]
            steps, values = [step for step, _ in points], [value for _, value in points]
            axes.plot(steps, values, label=curve.label, color=curve.colour, linewidth=curve.width)
        if look.is_logarithmic:
            is_positive = all(value > 0 for curve in curves for _, value in curve.points)
            axes.set_yscale("log" if is_positive else "symlog")
        axes.set_xlabel("optimizer steps", color=look.ink)
        axes.set_ylabel(named, color=look.ink)
        axes.tick_params(colors=look.ink, which="both")
        for spine in axes.spines.values():
            spine.set_color(look.ink)
        axes.set_facecolor("none")
        axes.legend(frameon=False, labelcolor=look.ink, fontsize="small")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
