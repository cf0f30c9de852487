"""``watchword train``: train an aligner, from text alone or from annotated videos."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.commands.exits import exit_on_error
from workers.models.profiles import ProfileName

if TYPE_CHECKING:  # these load torch: not for `--help`
    from torch import nn

    from alignment.training.trainer import StepReport, TrainResult
    from daemon.config.sections.training import TrainConfig
    from daemon.training.data import Sources
    from daemon.training.job import Data, Job

CHECKPOINT = "checkpoint.safetensors"
SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Request:
    """What to train on, from where, and how. ``sources`` is None for synthetic streams."""

    sources: "Sources | None"
    config: "TrainConfig"
    start: str | None
    out: Path
    resume: bool
    workers: int
    tensorboard: Path | None


app = typer.Typer(add_completion=False)


@app.command()
def train(
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Train on synthetic streams, which need no videos.")
    ] = False,
    annotations: Annotated[
        Path | None, typer.Option(help="Train on these queries with their true windows (QVHighlights format).")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the annotated videos; a `vid` is a file name without its suffix.")
    ] = None,
    features: Annotated[
        list[Path] | None, typer.Option(help="Folder of feature files instead of videos; several are joined.")
    ] = None,
    text_features: Annotated[
        Path | None, typer.Option(help="Folder of the descriptions' features (qidQID.npz), beside --features.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="Annotations to validate on. Default: a share of the videos is held out.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Fine-tune this checkpoint; `shipped`: the checkpoint that ships with Watchword."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="Method; overrides the training file.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Training file; see docs/training.md.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of steps; overrides the training file.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed; overrides the training file.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the checkpoint and the run's state.")] = Path(
        "watchword-training"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of training processes, started with Ray.")] = 1,
    tensorboard: Annotated[Path | None, typer.Option(help="Write TensorBoard logs into this folder.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder in which features of --videos are cached by content.")] = Path(
        ".watchword/features"
    ),
    profile: Annotated[ProfileName | None, typer.Option(help="Encoder profile; overrides the training file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train an aligner or an encoder, and write a checkpoint for the daemon."""
    _check_sources(synthetic, annotations, videos, features, text_features)
    with exit_on_error():
        from daemon.config.sections.training import load_training
        from daemon.training.data import Sources

        settings = _override(load_training(config), method, steps, seed, profile)
        if settings.towers:
            others = {"--from": start, "--method": method, "--profile": profile}
            _check_towers({"no --videos": not videos, **others})
        files = tuple(features or ())
        sources = Sources(annotations, validation, videos, files, text_features, cache) if annotations else None
        request = Request(sources, settings, start, out, resume, workers, tensorboard)
        document = run(request, Console(stderr=True))
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2) if as_json else told(document))


def run(request: Request, console: Console) -> dict[str, Any]:
    """Train, write the checkpoint and return the document of what was done."""
    from daemon.training.job import Job
    from daemon.training.run_folder import claim

    _check_installed(request)
    claim(request.out, _asked(request), request.resume)
    begun, teacher = _begun(request), _teacher(request.config)  # before the videos: a mistyped path is told at once
    data = _data(request, console)
    student = _model(request.config, data, begun)
    job = Job(
        model=_apprentice(request.config, student, teacher),
        data=data,
        config=request.config,
        folder=request.out.resolve(),  # workers run elsewhere
        resume=request.resume,
        tensorboard=request.tensorboard and request.tensorboard.resolve(),
    )
    measure = job.measure()
    before = measure(job.model.eval()) if measure else None
    result = _fit(job, request.workers, console)
    after = measure(job.model) if measure else None
    card = {
        "training": dict(data.facts),
        "config": request.config.model_dump(mode="json"),
        "start": request.start,
        "steps": result.steps,
        "best_step": result.best_step,
        "loss": result.loss,
        "skipped_steps": result.skipped_steps,
        "dropped_samples": result.dropped_samples,
        "before": before,
        "validation": after,
    }
    path = request.out / CHECKPOINT
    data.save(path, student, card)
    return card | {"checkpoint": str(path)}


def told(document: Mapping[str, Any]) -> str:
    """Return the document in words, with what to do next."""
    lines = [f"trained {document['steps']} steps; kept step {document['best_step']}"]
    if document["validation"]:
        names = ("f1", "precision", "recall", "clip_f1", "loss")
        before, after = document["before"], document["validation"]
        figures = (f"{n} {before[n]:.3f} → {after[n]:.3f}" for n in names if n in after)
        lines.append(f"held-out examples, before → after: {', '.join(figures)}")
    odd = {
        "skipped steps without a finite gradient": document["skipped_steps"],
        "dropped examples with values that are no numbers": document["dropped_samples"],
        "dropped rows of features that are no numbers": document["training"].get("dropped_rows", 0),
    }
    lines += [f"warning: {count} {what}" for what, count in odd.items() if count]
    lines.append(f"checkpoint: {document['checkpoint']}")
    path, config = Path(document["checkpoint"]), document["config"]
    if config["towers"] or config["method"]["name"] == "watchword":
        own = f"profile: own, model: {path.parent.resolve()}, aligner: similarity"
        use = own if config["towers"] else f"aligner: cross_attention, checkpoint: {path}"
        lines.append(f"use it with this in your configuration:\n  models: {{{use}}}")
    else:
        lines.append("the daemon decides with the method `watchword` only; this one is for comparison")
    return "\n".join(lines)


def _check_sources(
    synthetic: bool,
    annotations: Path | None,
    videos: Path | None,
    features: list[Path] | None,
    text_features: Path | None,
) -> None:
    """Raise ``BadParameter`` unless exactly one kind of data is named."""
    if synthetic == (annotations is not None):
        raise typer.BadParameter("give either --synthetic or --annotations FILE", param_hint="--annotations")
    if annotations is None and (videos or features):
        raise typer.BadParameter("videos and features need --annotations FILE", param_hint="--annotations")
    if annotations is not None and (videos is None) == (not features):
        raise typer.BadParameter("give either --videos or --features with --annotations", param_hint="--videos")
    if text_features and not features:
        raise typer.BadParameter("text features go with --features", param_hint="--text-features")


def _check_installed(request: Request) -> None:
    """Raise ``PackageMissing`` or ``ModelUnavailable`` before hours of reading videos rather than after."""
    if request.tensorboard:
        from alignment.training.metrics_log import summary_writer

        summary_writer()
    if request.workers > 1:
        from daemon.training.distributed import ray_train

        ray_train()
    else:
        from workers.models.device import pick_device

        pick_device(request.config.device)


def _check_towers(options: Mapping[str, object]) -> None:
    """Raise ``OptionError`` for options that mean nothing to towers."""
    from alignment.options import OptionError

    if wrong := [name for name, given in options.items() if given]:
        raise OptionError(
            f"towers are trained on annotated videos: {', '.join(wrong)}",
            "give --annotations and --videos; backbones and weights are chosen under `towers` in the training file",
        )


def _override(
    config: "TrainConfig", method: str | None, steps: int | None, seed: int | None, profile: ProfileName | None
) -> "TrainConfig":
    changed: dict[str, Any] = {}
    if profile and profile != config.models.profile:  # a model of one profile means nothing to another
        chosen = {"profile": profile, "model": None, "revision": None}
        changed["models"] = config.models.model_copy(update=chosen)
    if method is not None:
        changed["method"] = replace(config.method, name=method)
    if steps is not None:
        changed |= {"steps": steps, "epochs": None}
    if seed is not None:
        changed["seed"] = seed
    return config.model_copy(update=changed)


def _asked(request: Request) -> dict[str, Any]:
    """Return what a run must have in common with the one that it continues."""
    from daemon.training.run_folder import fingerprint

    start = fingerprint(Path(request.start)) if request.start and request.start != SHIPPED else None
    return {
        "data": request.sources.fingerprints() if request.sources else "synthetic",
        "from": start or request.start,
        "config": request.config.model_dump(mode="json"),
        "workers": request.workers,
    }


def _data(request: Request, console: Console) -> "Data":
    from daemon.offline.progress import FileProgress
    from daemon.offline.runner import OfflineSettings
    from daemon.training.data import annotated_data, synthetic_data

    config, sources = request.config, request.sources
    settings = OfflineSettings(config.models.encoder_options(), speech=config.speech, limits=config.limits.limits())
    if sources is None:
        console.print("embedding the words that synthetic streams are made of …", highlight=False)
        return synthetic_data(settings, config, request.workers)
    if config.towers:
        from daemon.training.towers import tower_data

        return tower_data(sources, config.towers, config, request.workers, lambda n: FileProgress(n, console))
    return annotated_data(sources, settings, config, request.workers, lambda n: FileProgress(n, console))


def _begun(request: Request) -> "nn.Module | None":
    """Return the checkpoint's model that is to be trained on, if there is one."""
    if request.start is None:
        return None
    return _checkpoint("--from gives", request.start, request.config)


def _teacher(config: "TrainConfig") -> "nn.Module | None":
    """Return the model that is to be learned from, if there is one."""
    return _checkpoint("distil needs", config.distil.teacher, config) if config.distil else None


def _checkpoint(who: str, path: str | Path, config: "TrainConfig") -> "nn.Module":
    from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
    from alignment.options import OptionError

    name = config.method.name
    if name != "watchword":
        raise OptionError(f"{who} a checkpoint of `watchword`, not of {name}", "leave out one of the two")
    return load_checkpoint(shipped_checkpoint() if path == SHIPPED else Path(path))


def _apprentice(config: "TrainConfig", student: "nn.Module", teacher: "nn.Module | None") -> "nn.Module":
    """Return what is trained: the student, beside its teacher where it has one."""
    from alignment.training.distilling import Distiller

    return Distiller(student, teacher, config.distil.options()) if config.distil and teacher else student


def _model(config: "TrainConfig", data: "Data", begun: "nn.Module | None") -> "nn.Module":
    """Return the model to train: fresh, or the one begun, without what the file freezes."""
    import torch

    from alignment.baselines.registry import freeze

    torch.manual_seed(config.seed)
    model = begun or data.build(config)
    freeze(model, config.freeze)
    return model


def _fit(job: "Job", workers: int, console: Console) -> "TrainResult":
    if workers > 1:
        from daemon.training.distributed import fit_on_workers

        console.print(f"training on {workers} workers; follow it with --tensorboard", highlight=False)
        return fit_on_workers(job, workers)
    from daemon.training.job import fit

    with StepProgress(job.steps, console) as progress:
        return fit(job, progress)


class StepProgress:
    """A bar over the steps of a run, with its loss and the last validation."""

    def __init__(self, steps: int, console: Console) -> None:
        shown = TextColumn("{task.completed}/{task.total} steps  {task.fields[figures]}", markup=False)
        self._progress = Progress(
            TextColumn("training"), BarColumn(), shown, TimeRemainingColumn(), console=console, transient=True
        )
        self._task = self._progress.add_task("training", total=steps, figures="")
        self._last = ""

    def __enter__(self) -> Callable[["StepReport"], None]:
        self._progress.start()
        return self._show

    def __exit__(self, *ended_by: object) -> None:
        self._progress.stop()

    def _show(self, report: "StepReport") -> None:
        if report.metrics:
            self._last = f"  validation f1 {report.metrics['f1']:.3f}, loss {report.metrics['loss']:.3f}"
        self._progress.update(self._task, completed=report.step, figures=f"loss {report.loss:.3f}{self._last}")
