"""``watchword eval``: how well the daemon decides, on annotated videos."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from alignment.annotations import Annotation, Prediction
from alignment.errors import WatchwordError
from alignment.evaluation import evaluate as hold_against
from alignment.report import report_document
from daemon.commands.exits import ended
from daemon.commands.tag import ProfileName
from daemon.config import load_config
from daemon.evaluate import (
    find_videos,
    predict,
    questions,
    read_annotations,
    read_predictions,
    write_predictions,
)
from daemon.exports import make_writable
from daemon.progress import FileProgress
from daemon.tagging import FileResult, Tagger, offline_tagger

TABLE_WIDTH = 150  # characters that all columns need
PARTS = ((0, 6), (6, 11), (11, 14))  # of the columns, one table each where a terminal is narrower
COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
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


@dataclass(frozen=True, slots=True)
class Request:
    """What to evaluate: events decided now on ``videos``, or those of ``from_predictions``."""

    annotations: Path
    videos: Path | None
    predictions: Path | None
    from_predictions: Path | None


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
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, with all groups.")] = False,
    profile: Annotated[
        ProfileName | None, typer.Option(help="Encoder profile, instead of the configuration's.")
    ] = None,
) -> None:
    """Measure how well described events are found: precision, recall, F1, false alerts, delay, mAP.

    The daemon's own pipeline and decisions run over the videos; of an annotation it reads the query and the
    video's name only.
    """
    if (videos is None) == (from_predictions is None):
        raise typer.BadParameter("give either --videos or --from-predictions", param_hint="--videos")
    if predictions and from_predictions:
        raise typer.BadParameter("nothing new to write with --from-predictions", param_hint="--predictions")
    request = Request(annotations, videos, predictions, from_predictions)
    try:
        settings = load_config(config, inputs_required=False) if config else None
        document = run(request, lambda: offline_tagger(settings, profile.value if profile else None))
    except WatchwordError as e:
        raise ended(e) from e
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        print_table(document)


def run(request: Request, open_tagger: Callable[[], Tagger]) -> dict[str, Any]:
    """Return the report's document; ``input`` says where it comes from as well."""
    annotations = read_annotations(request.annotations)
    if request.from_predictions:
        decided = read_predictions(request.from_predictions)
    else:
        assert request.videos is not None
        if request.predictions:
            make_writable(request.predictions.parent, "choose another place for --predictions")
        decided = _watch(annotations, request.videos, open_tagger)
        if request.predictions:
            write_predictions(request.predictions, questions(annotations), decided)
    document = report_document(hold_against(annotations, decided))
    named = {key: getattr(request, key) for key in ("annotations", "videos", "from_predictions")}
    document["input"] |= {key: str(path) for key, path in named.items() if path}
    return document


def print_table(document: Mapping[str, Any]) -> None:
    """Print the figures overall and of each kind of query to stdout."""
    low, high = document["overall"]["f1@0.5_ci95_over_streams"]
    console = Console()
    width = console.width if console.is_terminal else TABLE_WIDTH
    for first, end in PARTS if width < TABLE_WIDTH else ((0, len(COLUMNS)),):
        Console(width=width).print(_table(document, COLUMNS[first:end]))
    typer.echo(f"F1 at tIoU 0.5: 95 % interval {low:.3f} to {high:.3f} over videos; /h: a query and hour")


def _table(document: Mapping[str, Any], columns: Sequence[tuple[str, tuple[str, ...]]]) -> Table:
    table = Table("kind")
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, figures in (("overall", document["overall"]), *document["per_kind"].items()):
        table.add_row(name, *(_cell(figures, keys) for _, keys in columns), end_section=name == "overall")
    return table


def _watch(
    annotations: Sequence[Annotation], folder: Path, open_tagger: Callable[[], Tagger]
) -> tuple[Prediction, ...]:
    asked = questions(annotations)
    videos = find_videos(folder, (q.vid for q in asked))
    console = Console(stderr=True)

    def told(result: FileResult) -> None:
        progress.done(result.path)
        for warning in result.warnings:
            console.print(f"warning: {result.path}: {warning}", markup=False, highlight=False, soft_wrap=True)

    with FileProgress(len(videos), console) as progress:
        return predict(asked, videos, open_tagger(), progress, told)


def _cell(figures: Mapping[str, Any], keys: Sequence[str]) -> str:
    value: Any = figures
    for key in keys:
        value = value[key]
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
