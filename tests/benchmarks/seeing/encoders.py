"""CLIP encoders by batch and precision: ``python -m tests.benchmarks.seeing.encoders [--device cuda]``.

Models of open_clip in their real sizes, with random weights that are made here. Printed as JSON, medians of rounds:
*ours*, ``encode_frames`` of frames that lie in memory; *bare*, the loop that one would write around the library;
*model*, the passes alone, on pixels that are on the device already; *streams*, single frames of as many live cameras.
And how far the half precisions are from float32: the least cosine of a frame's two rows, and of what in them differs
from the mean row (random weights put all pictures near each other).
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from workers.encoders.open_clip_encoder import OpenClipEncoder
from workers.models.options import EncoderOptions
from workers.services.batcher import FrameBatcher

ROUND_S, ROUNDS = 0.1, 5
MOST = 64


def checkpoint(folder: Path, name: str) -> Path:
    """Write a model with random weights; return its folder."""
    folder.mkdir()
    written = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(written))
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def seconds(work: Callable[[], object], passes: int) -> float:
    """Return how long a pass takes."""
    began = time.perf_counter()
    for _ in range(passes):
        work()
    return (time.perf_counter() - began) / passes


def rates(works: dict[str, Callable[[], object]], frames: int) -> dict[str, float]:
    """Return the median of frames a second over rounds, in each of which all have their turn."""
    for work in works.values():
        seconds(work, 3)
    passes = {name: max(1, round(ROUND_S / seconds(work, 3))) for name, work in works.items()}
    found = [{name: seconds(work, passes[name]) for name, work in works.items()} for _ in range(ROUNDS)]
    return {name: round(frames / statistics.median(f[name] for f in found), 1) for name in works}


def bare(encoder: OpenClipEncoder, frames: np.ndarray) -> Callable[[], object]:
    """Return the library's own pass, from frames in memory to rows in memory."""
    towers = encoder._towers  # the library's functions as they are
    shape: dict[str, Any] = {"dtype": torch.float32, "device": towers.device}
    mean, std = (torch.tensor(x, **shape).view(1, 3, 1, 1) for x in (towers.mean, towers.std))

    def run() -> np.ndarray:
        with torch.inference_mode():
            pixels = torch.from_numpy(frames).to(towers.device).permute(0, 3, 1, 2).float() / 255
            rows = towers.image(((pixels - mean) / std).to(towers.dtype)).float()
            return np.asarray((rows / rows.norm(dim=-1, keepdim=True)).cpu().numpy())

    return run


def model_alone(encoder: OpenClipEncoder, frames: np.ndarray) -> Callable[[], object]:
    """Return a pass over pixels that are on the device; it ends when its sum is known."""
    pixels = encoder._normalise(frames)

    def run() -> float:
        with torch.inference_mode():
            return float(encoder._towers.image(pixels).sum())

    return run


def streams(batcher: FrameBatcher, frames: np.ndarray) -> Callable[[], object]:
    """Return the passes over single frames that are asked for at once."""

    def run() -> None:
        for future in [batcher.submit(frames[i : i + 1]) for i in range(len(frames))]:
            future.result()

    return run


def measure(encoder: OpenClipEncoder, frames: np.ndarray, batch: int) -> dict[str, float]:
    """Return frames a second of one batch size."""
    chosen = frames[:batch]
    batcher = FrameBatcher(encoder.encode_frames, max_frames=batch)
    works = {
        "ours": lambda: encoder.encode_frames(chosen),
        "bare": bare(encoder, chosen),
        "model": model_alone(encoder, chosen),
        "streams": streams(batcher, chosen),
    }
    found = rates(works, batch)
    batcher.close()
    return found | {"ours_to_bare": round(found["ours"] / found["bare"], 2)}


def nearness(full: np.ndarray, half: np.ndarray) -> dict[str, float]:
    """Return the least cosine of rows, and of what differs from the mean row."""
    apart = [x - full.mean(0) for x in (full, half)]
    both = [(a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1) for a, b in ((full, half), apart)]
    return {"cosine": round(float(both[0].min()), 5), "cosine_of_differences": round(float(both[1].min()), 5)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--models", nargs="+", default=["ViT-B-32", "ViT-L-14"])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16, MOST])
    options = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            path, rows = checkpoint(Path(folder) / name, name), {}
            for dtype in options.dtypes:
                chosen = EncoderOptions("open_clip", str(path), device=options.device, dtype=dtype, batch_size=MOST)
                encoder = OpenClipEncoder(chosen)
                width, height = encoder.frame_spec.typical
                size = (MOST, height, width, 3)
                frames = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
                rows[dtype] = encoder.encode_frames(frames[: max(options.batches)])
                report[f"{name} {dtype}"] = {b: measure(encoder, frames, b) for b in options.batches} | (
                    nearness(rows["float32"], rows[dtype]) if dtype != "float32" and "float32" in rows else {}
                )
    print(json.dumps(report | {"device": encoder.info.device, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
