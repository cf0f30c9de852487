"""Makes the shipped aligner and the ``lite`` models smaller and writes docs/compression.md's tables.

``make compression``: a few minutes on two cores. The streams are synthetic, of numbers that training never draws; the
descriptions are those of the lexicon. Times are of the processor, on one thread, so that a busy machine tells the same.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from alignment.aligners.int8 import quantise
from alignment.aligners.trained.batches import Sample, collate
from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.aligners.trained.cross_attention import CrossAttentionAligner
from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.baselines.decoding import decided
from alignment.calibration import LITE_CALIBRATION
from alignment.evaluation.annotations import Prediction
from alignment.evaluation.metrics import evaluate
from alignment.lexicon import topics
from alignment.synthetic.streams import Synthesiser
from alignment.training.distilling import Distiller
from alignment.training.optimisers import OptimiserOptions
from alignment.training.pruning import pruned, stored_bytes
from alignment.training.task import AlignmentTask
from alignment.training.trainer import Trainer, TrainOptions
from alignment.types import EventQuery, FeatureWindow
from alignment.windows import WINDOW_CLIPS
from tests.benchmarks.learning.methods_data import annotation, f1_interval
from workers.encoders.lite.encoder import LiteEncoder
from workers.encoders.sentences.minilm import MiniLM
from workers.models.options import EncoderOptions
from workers.queries.synthetic_world import build_world

SEED, FIRST = 7, 1_000_000  # of the streams; training draws other seeds
BATCH = 24
STUDENT = ModelConfig(width=24, heads=4, layers=1)
EVENTS, HOPS = 100, 15
PHOTOS = ("astronaut", "cat", "chelsea", "coffee", "rocket", "camera", "hubble_deep_field", "immunohistochemistry")
DOCS = Path(__file__).resolve().parents[3] / "docs" / "compression.md"


@dataclass(slots=True)
class Data:
    """What the variants learn from and are tested on; filled before the processes fork, which share it."""

    train: list[Sample] = field(default_factory=list)
    test: list[Sample] = field(default_factory=list)
    queries: list[EventQuery] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the aligner's table."""

    parameters: int
    stored: tuple[int, int]
    hop_ms: float
    window_ms: float
    f1: float
    interval: tuple[float, float]
    mean_ap: float


DATA = Data()


def main() -> None:
    """Measure everything and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=250, help="of the student's training; pruned ones take a third")
    parser.add_argument("--streams", type=int, default=14, help="to test on, and twice as many to learn from")
    args = parser.parse_args()
    torch.set_num_threads(1)  # before the first pass: processes that fork from one with threads hang
    started = time.monotonic()
    encoder = LiteEncoder(EncoderOptions(device="cpu"))
    world = Synthesiser(build_world(encoder, SEED), SEED)
    streams = [world.stream(FIRST + i) for i in range(3 * args.streams)]
    DATA.test = [s for stream in streams[: args.streams] for s in stream]
    DATA.train = [s for stream in streams[args.streams :] for s in stream]
    DATA.queries = [s.query for s in DATA.train][:EVENTS]
    tables = [_text_table(), _vision_table(encoder)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.starmap(_measured, [(name, args.steps) for name in VARIANTS], chunksize=1)
    minutes = (time.monotonic() - started) / 60
    note = (
        f"{len(DATA.test)} descriptions on {args.streams} held-out streams, {EVENTS} events a hop, {args.steps} steps"
        f" of {BATCH}; {torch.backends.cpu.get_cpu_capability()}, {minutes:.1f} min on {os.cpu_count()} cores."
    )
    text = "\n\n".join([_aligner_table(list(VARIANTS), found), *tables, note])
    print(text)
    head, _, rest = DOCS.read_text().partition("<!-- table -->\n")
    DOCS.write_text(f"{head}<!-- table -->\n{text}\n<!-- end -->{rest.partition('<!-- end -->')[2]}")


def _full(_: int) -> CrossAttention:
    return load_checkpoint(shipped_checkpoint())


def _retrained(share: float, steps: int) -> CrossAttention:
    return pruned(_full(0), share, lambda model: _taught(model, steps // 3))


def _taught(student: CrossAttention, steps: int) -> CrossAttention:
    def batches(step: int) -> Sequence[Sample]:
        return [DATA.train[i] for i in np.random.default_rng([SEED, step]).integers(len(DATA.train), size=BATCH)]

    taught, optimiser = Distiller(student, _full(0)), OptimiserOptions(lr=4e-3, warmup_steps=20)
    options, task = TrainOptions(steps, SEED, eval_every=steps), AlignmentTask(LITE_CALIBRATION)
    Trainer(taught, taught.loss, optimiser, batches, task, options).fit()
    return student.eval()


def _student(steps: int) -> CrossAttention:
    torch.manual_seed(SEED)
    return _taught(CrossAttention(STUDENT), steps)


VARIANTS: dict[str, Callable[[int], CrossAttention]] = {
    "student": _student,  # the longest first
    "student, int8": lambda steps: quantise(_student(steps)),
    "80 % pruned, trained on": lambda steps: _retrained(0.8, steps),
    "full": _full,
    "int8": lambda _: quantise(_full(0)),
    "50 % pruned": lambda _: pruned(_full(0), 0.5),
    "80 % pruned": lambda _: pruned(_full(0), 0.8),
}


def _measured(name: str, steps: int) -> Figures:
    model = VARIANTS[name](steps).eval()
    window_ms, report = [], []
    for i, sample in enumerate(DATA.test):
        batch, _ = collate([sample], LITE_CALIBRATION)
        with torch.inference_mode():
            begin = time.thread_time()
            outputs = model(batch)
            window_ms.append(1e3 * (time.thread_time() - begin))
        report.append(Prediction(i, tuple(decided(outputs, 0, sample.window.bounds))))
    figures = evaluate([annotation(i, s) for i, s in enumerate(DATA.test)], report)
    return Figures(
        parameters=_parameters(model),
        stored=stored_bytes(model),
        hop_ms=_hop_ms(model),
        window_ms=statistics.median(window_ms),
        f1=figures.overall.events[0.5].f1 or 0.0,
        interval=f1_interval(figures.overall),
        mean_ap=figures.overall.mean_ap or 0.0,
    )


def _parameters(model: nn.Module) -> int:
    """Return the number of weights, int8 ones too, without the scales of those."""
    return sum(tensor.numel() for name, tensor in model.state_dict().items() if not name.endswith(".scale"))


def _hop_ms(model: CrossAttention) -> float:
    """Return the median time of a hop of one camera with ``EVENTS`` events."""
    scorer = CrossAttentionAligner(model, LITE_CALIBRATION).begin(DATA.queries)
    window, times = DATA.train[0].window, []
    for first in range(HOPS):
        begin = time.thread_time()
        scorer.score(_cut(window, first), first)
        times.append(1e3 * (time.thread_time() - begin))
    return statistics.median(times[1:])


def _cut(w: FeatureWindow, first: int) -> FeatureWindow:
    at = slice(first, first + WINDOW_CLIPS)
    heard = w.speech_t[:, 1] > w.bounds[first, 0]
    heard &= w.speech_t[:, 0] < w.bounds[at][-1, 1]
    clips = {name: getattr(w, name)[at] for name in ("bounds", "frames", "frame_mask", "sound", "sound_mask")}
    return replace(w, **clips, speech=w.speech[heard], speech_t=w.speech_t[heard])


def _best_ms(work: Callable[[], object], rounds: int = 7) -> float:
    times = []
    for _ in range(rounds):
        begin = time.thread_time()
        work()
        times.append(1e3 * (time.thread_time() - begin))
    return min(times[1:])


def _text_table() -> str:
    texts = [sentence for topic in topics() for sentence in topic.sentences][:256]
    rows, lines = {}, []
    for name, model in (("full", MiniLM()), ("int8", MiniLM("int8"))):
        rows[name] = model.encode(texts)
        mb = stored_bytes(model.network)[0] / 1e6
        cosine = (rows[name] * rows["full"]).sum(1)
        ms = _best_ms(lambda m=model: m.encode(texts[:32])) / 32  # type: ignore[misc]  # bound while it is this one
        lines.append((name, f"{mb:.1f}", f"{ms:.2f}", f"{cosine.mean():.4f}", f"{cosine.min():.4f}"))
    return _table("MiniLM, sentences", ("MB", "ms a sentence", "mean cosine", "least"), lines)


def _vision_table(encoder: LiteEncoder) -> str:
    frames, lines = _frames(), []
    half = LiteEncoder(EncoderOptions(device="cpu", dtype="bfloat16"))
    full = encoder.encode_frames(frames)
    for name, chosen in (("float32", encoder), ("bfloat16", half)):
        cosine = (chosen.encode_frames(frames) * full).sum(1)
        ms = _best_ms(lambda c=chosen: c.encode_frames(frames[:8])) / 8  # type: ignore[misc]  # bound while it is this one
        lines.append((name, f"{ms:.1f}", f"{cosine.mean():.4f}", f"{np.quantile(cosine, 0.05):.4f}"))
    return _table("EfficientNet-Lite0, photographs", ("ms a frame", "mean cosine", "5th percentile"), lines)


def _frames() -> np.ndarray:
    """Return crops u8[64, 256, 256, 3] of photographs."""
    from PIL import Image
    from skimage import data

    rng, crops = np.random.default_rng(SEED), []
    for name in PHOTOS:
        picture = Image.fromarray(getattr(data, name)()).convert("RGB")
        for _ in range(8):
            side = int(min(picture.size) * rng.uniform(0.6, 1.0))
            x, y = (int(rng.integers(0, n - side + 1)) for n in picture.size)
            crops.append(np.asarray(picture.crop((x, y, x + side, y + side)).resize((256, 256))))
    return np.stack(crops)


def _aligner_table(names: Sequence[str], found: Sequence[Figures]) -> str:
    order = ("full", "int8", "50 % pruned", "80 % pruned", "80 % pruned, trained on", "student", "student, int8")
    lines = []
    for name in order:
        f = found[names.index(name)]
        size = f"{f.parameters:,}", f"{f.stored[0] / 1e6:.2f}", f"{f.stored[1] / 1e6:.2f}"
        speed = f"{f.hop_ms:.1f}", f"{f.window_ms:.2f}"
        lines.append((name, *size, *speed, f"{f.f1:.3f} ({f.interval[0]:.2f}–{f.interval[1]:.2f})", f"{f.mean_ap:.3f}"))
    head = ("parameters", "MB", "MB, zipped", "ms a hop", "ms a window", "F1@0.5 (95 %)", "mAP")
    return _table("Aligner", head, lines)


def _table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"**{title}**", "", f"| | {' | '.join(head)} |", "|---|" + "---:|" * len(head), *rows])


if __name__ == "__main__":
    main()
