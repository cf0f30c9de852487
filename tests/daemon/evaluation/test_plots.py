"""Plots of hand-made evaluations: the page shows what was drawn, and the colours say what happened."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignment.evaluation.annotations import Annotation, Prediction, Qid
from alignment.evaluation.metrics import judge
from alignment.evaluation.reliability import Tracked, trust_in_events, trust_in_seconds
from daemon.evaluation.plots.page import draw
from daemon.evaluation.plots.style import RIGHT, SCORE, TRUE, WRONG
from daemon.evaluation.plots.timelines import QUERIES, timelines
from daemon.evaluation.run import Assessment
from daemon.offline.exports import ExportError

pytestmark = pytest.mark.timeout(60)  # loads models, or trains

TABLES = {"Decided <events>": [["kind", "F1"], ["a & b", "0.5"]]}


def asked(qid: int, *windows: tuple[float, float], vid: str = "v", query: str = "a cat", kind: str = "k") -> Annotation:
    return Annotation(qid, query, vid, 60.0, windows, kind=kind)


def assessment(annotations: list[Annotation], predictions: list[Prediction], tracked: bool = True) -> Assessment:
    t = np.arange(60, dtype=np.float64)
    bounds, p = np.stack([t, t + 1], axis=1), np.where((t > 20) & (t < 30), 0.8, 0.1).astype(np.float32)
    tracks = {a.qid: Tracked(bounds, p, a.duration, a.windows) for a in annotations if tracked}
    outcomes = judge(annotations, predictions)
    seconds = trust_in_seconds(list(tracks.values())) if tracked else None
    return Assessment(outcomes, tracks, trust_in_events(outcomes), seconds)


def colours(path: Path) -> set[str]:
    """Return the colours of at least fifty pixels; less is the edge of something."""
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(np.int64)
    values, counts = np.unique(pixels @ [1 << 16, 1 << 8, 1], return_counts=True)
    return {f"#{v:06X}" for v, n in zip(values, counts, strict=True) if n >= 50}


def legend_free(path: Path) -> Path:
    """Cut the legend off, for it has every colour."""
    picture = Image.open(path)
    picture.crop((0, 0, picture.width, picture.height - 35)).save(path)
    return path


def test_the_page_shows_every_plot_and_figure(tmp_path: Path) -> None:
    annotations = [
        asked(0, (20, 30)),
        asked(1, vid="späce/ & <b>", query="一只猫 on the <sofa>"),
        asked(2, (1, 2), kind="other"),
    ]
    predictions = [Prediction(0, ((20, 31, 0.9), (40, 45, 0.6))), Prediction(1, ((5, 9, 0.7),))]
    drawn = draw(tmp_path, TABLES, ["a <note>"], assessment(annotations, predictions))
    assert [p.name for p in drawn] == [
        "precision_recall.png",
        "thresholds.png",
        "reliability.png",
        "timelines_späce_b_.png",
        "timelines_v.png",
    ]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'src="([^"]+)"', page) == [p.name for p in drawn]
    assert "a &lt;note&gt;" in page
    assert "<td>a &amp; b</td><td>0.5</td>" in page
    assert "<h2>Decided &lt;events&gt;</h2>" in page
    assert all(min(Image.open(p).size) > 150 and len(colours(p)) > 2 for p in drawn)


@pytest.mark.parametrize(
    ("windows", "there", "not_there"),
    [
        (((20.0, 30.0, 0.9),), {TRUE, RIGHT}, {WRONG}),
        (((40.0, 50.0, 0.9),), {TRUE, WRONG}, {RIGHT}),
        ((), {TRUE}, {RIGHT, WRONG}),
    ],
)
def test_a_timeline_tells_right_from_wrong(
    tmp_path: Path, windows: tuple[tuple[float, float, float], ...], there: set[str], not_there: set[str]
) -> None:
    draw(tmp_path, TABLES, [], assessment([asked(0, (20, 30))], [Prediction(0, windows)], tracked=False))
    shown = colours(legend_free(tmp_path / "timelines_v.png"))
    assert there <= shown
    assert not not_there & shown


def test_what_is_absent_is_not_drawn(tmp_path: Path) -> None:
    silent = draw(tmp_path, TABLES, [], assessment([asked(0, (20, 30)), asked(1)], [], tracked=False))
    assert [p.name for p in silent] == ["reliability.png", "timelines_v.png"]
    with_score = assessment([asked(0)], [])
    draw(tmp_path, TABLES, [], with_score)
    assert SCORE in colours(tmp_path / "timelines_v.png")


def test_a_long_list_keeps_what_went_wrong() -> None:
    annotations = [asked(i, query=f"query {i}") for i in range(40)] + [asked(40, (1, 2), query="missed")]
    outcomes = judge(annotations, [Prediction(33, ((1, 2, 0.5),))])
    none: Mapping[Qid, Tracked] = {}
    rows = [axes.get_ylabel() for axes in timelines("v", outcomes, none).axes]
    assert len(rows) == QUERIES
    assert rows[-2:] == ["query 33\n[k]", "missed\n[k]"]
    assert rows[0] == "query 0\n[k]"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot write to"):
        draw(tmp_path / "absent", TABLES, [], assessment([asked(0)], []))
