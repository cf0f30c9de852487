"""``watchword eval``: evaluate event detection on annotated videos."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from alignment.evaluation.annotations import Annotation
from alignment.evaluation.metrics import evaluate as hold_against
from alignment.evaluation.qvhighlights import benchmark
from alignment.evaluation.report import qvhighlights_document, ranking_document, report_document, trust_document
from daemon.commands.exits import exit_on_error
from daemon.config import Config, load_config
from daemon.evaluation.run import (
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
from daemon.evaluation.tables import PARTS, TABLE_WIDTH, notes, tables
from daemon.logs.escaping import printable
from daemon.offline.exports import make_writable
from daemon.offline.progress import FileProgress
from daemon.offline.tagging import FileResult, offline_settings
from workers.models.profiles import ProfileName


@dataclass(frozen=True, slots=True)
class Request:
    """What to evaluate: events detected now on ``videos``, or the events in ``from_predictions``."""

    annotations: Path
    videos: Path | None
    predictions: Path | None
    from_predictions: Path | None
    plots: Path | None = None


app = typer.Typer(add_completion=False)


@app.command("eval")
def evaluate(
    annotations: Annotated[
        Path,
        typer.Option(help="Queries with their true windows, one JSON object per line (QVHighlights format)."),
    ],
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos; a `vid` is a file name without its suffix.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A configuration: its models and speech; its events are not used."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write the detected events to this file, one line per query, with alert times.")
    ] = None,
    from_predictions: Annotated[
        Path | None, typer.Option(help="Evaluate the events of this file; process no videos.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Write plots to this folder: PNG files, and an index.html that shows them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all metrics as JSON, with all groups.")] = False,
    profile: Annotated[ProfileName | None, typer.Option(help="Encoder profile; overrides the configuration.")] = None,
) -> None:
    """Evaluate event detection and search on annotated videos.

    The daemon's own pipeline decides on the videos; it sees only the query and the video's name of an annotation.
    Precision, recall, F1 and false alerts per query and hour: for all queries, each family and each kind.
    Of these, 95 % intervals over videos. Also detection of starts, mAP, calibration and search.
    A false alert is an event with tIoU below 0.3 with every true window that no better event has taken.
    Annotations of QVHighlights with saliency ratings get the official figures too.
    --json has all figures; docs/evaluation.md describes it.
    """
    if (videos is None) == (from_predictions is None):
        raise typer.BadParameter("give either --videos or --from-predictions", param_hint="--videos")
    if predictions and from_predictions:
        raise typer.BadParameter("not used with --from-predictions", param_hint="--predictions")
    request = Request(annotations, videos, predictions, from_predictions, plots)
    with exit_on_error():
        settings = load_config(config, inputs_required=False) if config else None
        document = run(request, lambda: _extractor(settings, profile))
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        print_table(document)


def run(request: Request, open_watcher: Callable[[], AbstractContextManager[Watcher]]) -> dict[str, Any]:
    """Return the report as a document; ``input`` names the files that were used."""
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
    official = any(a.saliency for a in annotations)
    document["qvhighlights"] = qvhighlights_document(benchmark(annotations, watched.predictions)) if official else None
    document["retrieval"] = {name: ranking_document(r) for name, r in search(annotations, watched).items()}
    if request.plots:
        from daemon.evaluation.plots.page import draw  # matplotlib takes a second to import

        draw(request.plots, tables(document), notes(document), assessed)
    return document


def print_table(document: Mapping[str, Any]) -> None:
    """Print the metrics of all queries, of each kind of query, and of search, to stdout."""
    console = Console()
    width = console.width if console.is_terminal else TABLE_WIDTH
    for rows in tables(document).values():
        for first, end in PARTS if width < TABLE_WIDTH else ((1, len(rows[0])),):
            if first < len(rows[0]):
                Console(width=width).print(_table([[row[0], *row[first:end]] for row in rows]))
    for note in notes(document):
        typer.echo(note)


def _table(rows: Sequence[Sequence[str]]) -> Table:
    head, *rest = rows
    table = Table(head[0])
    for heading in head[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rest:
        table.add_row(*row, end_section=row[0] == "overall")
    return table


def _extractor(config: Config | None, profile: ProfileName | None) -> AbstractContextManager[Watcher]:
    from daemon.offline.extraction import Extractor  # loads torch: not for `--help`

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
        """Show that a file is done, and its warnings."""
        progress.done(result.path)
        for warning in result.warnings:
            console.print(
                printable(f"warning: {result.path}: {warning}"), markup=False, highlight=False, soft_wrap=True
            )

    with FileProgress(len(videos), console) as progress, open_watcher() as watcher:
        embedded = embed_pictures(pictures, watcher)  # a picture that is none is told before the work
        return replace(watch(asked, videos, watcher, progress, told), pictures=embedded)
