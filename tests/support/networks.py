"""Cross-attention networks and samples for tests: seeded, small, and with names that the encoder knows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from tiny_samples import FRAME_DIM, make_sample, units

from alignment.batches import Sample
from alignment.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.model import CrossAttention, ModelConfig
from alignment.types import F32, EventQuery, FeatureWindow

NAMES = units(np.random.default_rng(99), 30, FRAME_DIM)


def random_network(seed: int = 0) -> CrossAttention:
    """Return a small network in which every weight matters; fresh ones answer by similarity alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CrossAttention(ModelConfig(width=16))
        with torch.no_grad():
            for weights in model.parameters():
                weights += 0.3 * torch.randn_like(weights)
    return model.eval()


def shipped_network() -> CrossAttention:
    """Return the network of the shipped checkpoint; a random one while there is none."""
    path = shipped_checkpoint()
    return load_checkpoint(path) if path.exists() else random_network()


def named_sample(seed: int, clips: int = 16) -> Sample:
    """Return a tiny sample of an encoder that knows thirty things by name."""
    sample = make_sample(seed, clips)
    like = np.clip(NAMES @ sample.query.vision[0], 0, None)
    return replace(sample, query=replace(sample.query, vocabulary=NAMES, likeness=like))


def isometry(seed: int, width: int, into: int) -> F32:
    """Return a random map f32[width, into] that keeps inner products."""
    normal = np.random.default_rng(seed).normal(size=(into, width))
    return np.asarray(np.linalg.qr(normal)[0].T, np.float32)


def moved(
    window: FeatureWindow, query: EventQuery, frame_map: F32, sentence_map: F32
) -> tuple[FeatureWindow, EventQuery]:
    """Return both in other spaces."""
    at: Callable[[EventQuery, tuple[str, ...], F32], dict[str, F32]] = lambda q, names, m: {  # noqa: E731
        n: getattr(q, n) @ m for n in names
    }
    seen = at(query, ("vision", "vision_unlike", "vision_words", "vocabulary"), frame_map)
    said = at(query, ("speech", "speech_unlike", "speech_words"), sentence_map)
    there = replace(window, frames=window.frames @ frame_map, speech=window.speech @ sentence_map)
    return there, replace(query, **seen, **said)
