"""``watchword eval``: how well the daemon decides, on annotated videos."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from alignment.annotations import Annotation
from alignment.errors import WatchwordError
from alignment.evaluation import evaluate as hold_against
from alignment.ranking import DEPTHS
from alignment.report import ranking_document, report_document, trust_document
from daemon.commands.exits import ended
from daemon.commands.tag import ProfileName
from daemon.config import Config, load_config
from daemon.evaluate import (
    Watched,
    Watcher,
    assess,
    embed_pictures,
    find_pictures,
    find_videos,
    questions,
    read_annotations,
    read_predictions,
    search,
    watch,
    write_predictions,
)
from daemon.exports import make_writable
from daemon.progress import FileProgress
from daemon.tagging import FileResult, offline_settings
from daemon.terminal import printable
from workers.encoders.options import Profile

Columns = Sequence[tuple[str, tuple[str, ...]]]  # heading, and where its figure is

TABLE_WIDTH = 150  # characters that all columns need
PARTS = ((1, 7), (7, 12), (12, 15))  # of the columns, one table each where a terminal is narrower
COLUMNS: Columns = (
    ("queries", ("n_queries",)),
    ("P@.5", ("tIoU@0.5", "precision")),
    ("R@.5", ("tIoU@0.5", "recall")),
    ("F1@.5", ("tIoU@0.5", "f1")),
    ("F1@.3", ("tIoU@0.3", "f1")),
    ("mAP", ("mAP",)),
    ("R1@.5", ("R1@0.5",)),
    ("HIT@1", ("HIT@1",)),
    ("false/h", ("tIoU@0.5", "false_alerts_per_query_hour")),
    ("stray/h", ("stray_alerts_per_query_hour",)),
    ("silent", ("silent_absent_rate",)),
    ("delay s", ("tIoU@0.5", "detection_delay_s")),
    ("MSE", ("alignment_mse",)),
    ("accuracy", ("alignment_accuracy",)),
)
AT_DEPTH = {"P": "precision@{}", "R": "recall@{}", "F1": "f1@{}", "hit": "R{}@0.5"}
RETRIEVAL: Columns = (
    ("queries", ("n_queries",)),
    *((f"{short}@{k}", (name.format(k),)) for k in DEPTHS for short, name in AT_DEPTH.items()),
    ("mAP", ("mAP",)),
)
TRUSTED = {"events": "event scores, true at tIoU 0.5", "seconds": "probabilities, a second each, true in a window"}


@dataclass(frozen=True, slots=True)
class Request:
    """What to evaluate: events decided now on ``videos``, or those of ``from_predictions``."""

    annotations: Path
    videos: Path | None
    predictions: Path | None
    from_predictions: Path | None
    plots: Path | None = None


def evaluate(
    annotations: Annotated[
        Path,
        typer.Option(help="Queries with their true windows, one JSON object a line (QVHighlights format)."),
    ],
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos; a `vid` is a file's name without its ending.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A configuration: its models and speech; its events are not used."),
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write the decided events here, a line a query.")] = None,
    from_predictions: Annotated[
        Path | None, typer.Option(help="Hold the events of this file against the annotations; watch nothing.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Draw the figures into this folder: PNGs, and an index.html that shows them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, with all groups.")] = False,
    profile: Annotated[
        ProfileName | None, typer.Option(help="Encoder profile, instead of the configuration's.")
    ] = None,
) -> None:
    """Measure how well described events are found: precision, recall, F1, false alerts, delay, mAP, search.

    The daemon's own pipeline and decisions run over the videos; of an annotation it reads the query and the
    video's name only.
    """
    if (videos is None) == (from_predictions is None):
        raise typer.BadParameter("give either --videos or --from-predictions", param_hint="--videos")
    if predictions and from_predictions:
        raise typer.BadParameter("nothing new to write with --from-predictions", param_hint="--predictions")
    request = Request(annotations, videos, predictions, from_predictions, plots)
    try:
        settings = load_config(config, inputs_required=False) if config else None
        document = run(request, lambda: _extractor(settings, profile.value if profile else None))
    except WatchwordError as e:
        raise ended(e) from e
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        print_table(document)


def run(request: Request, open_watcher: Callable[[], AbstractContextManager[Watcher]]) -> dict[str, Any]:
    """Return the report's document; ``input`` says where it comes from as well."""
    annotations = read_annotations(request.annotations)
    if request.predictions:
        make_writable(request.predictions.parent, "choose another place for --predictions")
    if request.plots:
        make_writable(request.plots, "choose another place for --plots")
    if request.from_predictions:
        watched = Watched(read_predictions(request.from_predictions))
    else:
        assert request.videos is not None
        watched = _watch(annotations, request.annotations.parent, request.videos, open_watcher)
        if request.predictions:
            write_predictions(request.predictions, questions(annotations), watched.predictions)
    document = report_document(hold_against(annotations, watched.predictions))
    named = {key: getattr(request, key) for key in ("annotations", "videos", "from_predictions")}
    document["input"] |= {key: str(path) for key, path in named.items() if path}
    assessed = assess(annotations, watched)
    document["calibration"] = {
        "events": trust_document(assessed.events),
        "seconds": trust_document(assessed.seconds) if assessed.seconds else None,
    }
    document["retrieval"] = {name: ranking_document(r) for name, r in search(annotations, watched).items()}
    if request.plots:
        from daemon.plots.page import draw  # matplotlib takes a second to import

        draw(request.plots, _tables(document), _notes(document), assessed)
    return document


def print_table(document: Mapping[str, Any]) -> None:
    """Print the figures overall and of each kind of query, and those of searches, to stdout."""
    console = Console()
    width = console.width if console.is_terminal else TABLE_WIDTH
    for rows in _tables(document).values():
        for first, end in PARTS if width < TABLE_WIDTH else ((1, len(rows[0])),):
            if first < len(rows[0]):
                Console(width=width).print(_table([[row[0], *row[first:end]] for row in rows]))
    for note in _notes(document):
        typer.echo(note)


def _tables(document: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """Return the tables by title, the headings first."""
    groups = {"overall": document["overall"], **document["per_kind"]}
    tables = {"Decided events": _rows("kind", groups, COLUMNS)}
    if document["retrieval"]:
        tables["Search"] = _rows("search", document["retrieval"], RETRIEVAL)
    return tables


def _notes(document: Mapping[str, Any]) -> list[str]:
    low, high = document["overall"]["f1@0.5_ci95_over_streams"]
    notes = [f"F1 at tIoU 0.5: 95 % interval {low:.3f} to {high:.3f} over videos; /h: a query and hour"]
    for unit, truth in TRUSTED.items():
        trust = document["calibration"][unit]
        if trust and trust["n"]:
            notes.append(f"expected calibration error of {trust['n']} {truth}: {trust['ece']:.3f}")
    return notes


def _rows(name: str, groups: Mapping[str, Any], columns: Columns) -> list[list[str]]:
    rows = [[label, *(_cell(figures, keys) for _, keys in columns)] for label, figures in groups.items()]
    return [[name, *(heading for heading, _ in columns)], *rows]


def _table(rows: Sequence[Sequence[str]]) -> Table:
    head, *rest = rows
    table = Table(head[0])
    for heading in head[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rest:
        table.add_row(*row, end_section=row[0] == "overall")
    return table


def _extractor(config: Config | None, profile: Profile | None) -> AbstractContextManager[Watcher]:
    from daemon.extraction import Extractor  # loads torch: not for `--help`

    return Extractor(offline_settings(config, profile))


def _watch(
    annotations: Sequence[Annotation],
    pictures_folder: Path,
    videos_folder: Path,
    open_watcher: Callable[[], AbstractContextManager[Watcher]],
) -> Watched:
    asked = questions(annotations)
    videos = find_videos(videos_folder, (q.vid for q in asked))
    pictures = find_pictures(annotations, pictures_folder)
    console = Console(stderr=True)

    def told(result: FileResult) -> None:
        progress.done(result.path)
        for warning in result.warnings:
            console.print(
                printable(f"warning: {result.path}: {warning}"), markup=False, highlight=False, soft_wrap=True
            )

    with FileProgress(len(videos), console) as progress, open_watcher() as watcher:
        embedded = embed_pictures(pictures, watcher)  # a picture that is none is told before the work
        return replace(watch(asked, videos, watcher, progress, told), pictures=embedded)


def _cell(figures: Mapping[str, Any], keys: Sequence[str]) -> str:
    value: Any = figures
    for key in keys:
        value = value[key]
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
