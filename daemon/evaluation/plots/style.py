"""Style of all plots: a palette for colour-blind readers, and figures without a window system."""

import warnings
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

# Okabe & Ito 2008, without yellow, which is hard to see on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#555555")
TRUE, RIGHT, WRONG, SCORE = "#B7E4C7", "#009E73", "#D55E00", "#0072B2"
DPI = 110
CJK = ("Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei", "Droid Sans Fallback")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in inches, that draws into memory."""
    installed = {font.name for font in fontManager.ttflist}
    matplotlib.rcParams["font.family"] = ["DejaVu Sans", *(name for name in CJK if name in installed)]
    figure = Figure((width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG; raise ``OSError``. A character that no installed font has is drawn as a box, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(path, format="png")
