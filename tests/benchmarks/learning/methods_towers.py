"""Own backbones trained end to end: images of coloured shapes, drawn by us, and their captions."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alignment.towers.backbones import Captions, TowerOptions, TwoTowers, Vocabulary, info_nce
from alignment.training.examples.image_augment import ImageAugmenter
from alignment.training.optimisers import OptimiserOptions, build_optimiser, clip_gradients

SIDE, BATCH = 32, 32
COLOURS = {
    "red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 70, 220),
    "yellow": (230, 210, 50), "white": (240, 240, 240), "purple": (150, 50, 180),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "ring", "cross")
NEW = {(c, s) for i, c in enumerate(COLOURS) for j, s in enumerate(SHAPES) if (i + j) % 5 == 0}  # never trained on


@dataclass(frozen=True, slots=True)
class TowerFigures:
    """Share of images whose own caption is the nearest of all 30: of trained captions, and of new combinations."""

    known: float
    new: float
    parameters: int
    ms_per_image: float
    train_s: float


def draw(colour: str, shape: str, rng: np.random.Generator) -> np.ndarray:
    """Return u8[SIDE, SIDE, 3]: the shape, of any size and anywhere, on a dark noisy ground."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    r = rng.uniform(5, 11)
    cx, cy = rng.uniform(r, SIDE - r, 2)
    dx, dy = (x - cx) / r, (y - cy) / r
    radius = np.hypot(dx, dy)
    inside = {
        "circle": radius < 1,
        "square": np.maximum(abs(dx), abs(dy)) < 0.85,
        "triangle": (dy < 0.8) & (dy > 2 * abs(dx) - 0.9),
        "ring": (radius < 1) & (radius > 0.55),
        "cross": (np.minimum(abs(dx), abs(dy)) < 0.28) & (np.maximum(abs(dx), abs(dy)) < 1),
    }[shape]
    ground = rng.uniform(0, 90, 3) + rng.normal(0, 12, (SIDE, SIDE, 3))
    paint = np.array(COLOURS[colour]) * rng.uniform(0.75, 1.0) + rng.normal(0, 12, (SIDE, SIDE, 3))
    return np.where(inside[..., None], paint, ground).clip(0, 255).astype(np.uint8)


def draw_batch(pairs: Sequence[tuple[str, str]], rng: np.random.Generator) -> Tensor:
    images = np.stack([draw(*pair, rng) for pair in pairs])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def train_towers(options: TowerOptions, augmentations: Sequence[str], steps: int, seed: int) -> TowerFigures:
    """Train with InfoNCE, then name new images."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    every = [(c, s) for c in COLOURS for s in SHAPES]
    known = [pair for pair in every if pair not in NEW]
    vocabulary = Vocabulary(["a", *COLOURS, *SHAPES])
    towers, augment = TwoTowers(options, len(vocabulary)), ImageAugmenter(augmentations, SIDE)
    optimiser, schedule = build_optimiser(
        towers.parameters(), setting := OptimiserOptions(lr=1e-3, warmup_steps=10), steps
    )
    start = time.perf_counter()
    for _ in range(steps):
        chosen = rng.integers(len(known), size=BATCH)
        pairs = [known[i] for i in chosen]
        same = torch.from_numpy(chosen[:, None] == chosen[None])
        words = vocabulary([f"a {c} {s}" for c, s in pairs])
        logits = towers.train()(Captions(augment(draw_batch(pairs, rng)), words))
        optimiser.zero_grad()
        info_nce(logits, same).backward()
        clip_gradients(towers.parameters(), setting)
        optimiser.step()
        schedule.step()
    train_s = time.perf_counter() - start
    parameters = sum(p.numel() for p in towers.parameters())
    named = [_named(towers.eval(), vocabulary, every, pairs, seed + 1) for pairs in (known, sorted(NEW))]
    return TowerFigures(named[0][0], named[1][0], parameters, named[0][1], train_s)


@torch.no_grad()
def _named(
    towers: TwoTowers, vocabulary: Vocabulary, every: list[tuple[str, str]], pairs: list[tuple[str, str]], seed: int
) -> tuple[float, float]:
    """Return the share of images rightly named, eight of each pair, and the ms an image takes alone."""
    rng = np.random.default_rng(seed)
    texts = towers.text(vocabulary([f"a {c} {s}" for c, s in every]))
    right, times = [], []
    for _ in range(8):
        images = draw_batch(pairs, rng)
        nearest = (towers.image(images) @ texts.T).argmax(1).tolist()
        right += [every[i] == pair for i, pair in zip(nearest, pairs, strict=True)]
        start = time.perf_counter()
        towers.image(images[:1])
        times.append(1000 * (time.perf_counter() - start))
    return float(np.mean(right)), float(np.median(times))
