"""Small samples and networks of aligners: seeded, and the event is plain to see, hear or read."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from alignment.aligners.trained.batches import Sample
from alignment.aligners.trained.checkpoint import load_checkpoint, shipped_checkpoint
from alignment.aligners.trained.network import CrossAttention, ModelConfig
from alignment.calibration import Platt, SimilarityCalibration
from alignment.types import F32, EventQuery, FeatureWindow

FRAME_DIM, SENTENCE_DIM = 12, 10
CALIBRATION = SimilarityCalibration(Platt(10.0, 0.5), Platt(10.0, 0.5), Platt(10.0, 0.5))


def units(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def make_query(rng: np.random.Generator, modality: int, name: str = "e") -> EventQuery:
    seen, said = units(rng, 4, FRAME_DIM), units(rng, 3, SENTENCE_DIM)
    prior = np.full(3, 0.1, np.float32)
    prior[modality] = 1.0
    return EventQuery(
        event=name,
        vision=seen[:1],
        vision_unlike=seen[1:2],
        speech=said[:1],
        speech_unlike=said[:0],
        sound=np.array([0, float(modality == 2), 0], np.float32),
        prior=prior,
        words=("red", "bus"),
        vision_words=seen[2:],
        speech_words=said[1:],
        vocabulary=np.zeros((0, FRAME_DIM), np.float32),
    )


def make_sample(seed: int, clips: int = 16) -> Sample:
    """Clips of one second; the event is from 4 to 10 s, told by one of the modalities; absent for every fourth."""
    rng = np.random.default_rng(seed)
    modality, present = seed % 3, seed % 4 != 3
    query = make_query(rng, modality, f"e{seed}")
    frames, speech = units(rng, clips, FRAME_DIM), units(rng, 3, SENTENCE_DIM)
    sound = np.zeros((clips, 3), np.float32)
    if present and modality == 0:
        frames[4:10] = query.vision
    frames[-1] = 0  # the last frame was lost
    if present and modality == 1:
        speech[1] = query.speech
    if present and modality == 2:
        sound[4:10, 1] = 0.9
    window = FeatureWindow(
        bounds=np.stack([np.arange(clips), np.arange(1, clips + 1)], 1).astype(np.float64),
        frames=frames,
        frame_mask=np.arange(clips) != clips - 1,
        speech=speech,
        speech_t=np.array([[0.0, 2.0], [4.0, 10.0], [11.0, 13.0]]),
        sound=sound,
        sound_mask=np.ones(clips, bool),
    )
    return Sample(window, query, np.array([[4.0, 10.0]] if present else np.zeros((0, 2))))


def make_samples() -> list[Sample]:
    return [make_sample(seed, clips=16 if seed % 2 else 13) for seed in range(8)]


NAMES = units(np.random.default_rng(99), 30, FRAME_DIM)


def random_network(seed: int = 0) -> CrossAttention:
    """Return a small network in which every weight matters; fresh ones answer by similarity alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CrossAttention(ModelConfig(width=16))
        with torch.no_grad():
            for weights in model.parameters():
                weights.add_(torch.randn_like(weights), alpha=0.3)
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
    at: Callable[[EventQuery, tuple[str, ...], F32], dict[str, Any]] = lambda q, names, m: {  # noqa: E731
        n: getattr(q, n) @ m for n in names
    }
    seen = at(query, ("vision", "vision_unlike", "vision_words", "vocabulary"), frame_map)
    said = at(query, ("speech", "speech_unlike", "speech_words"), sentence_map)
    there = replace(window, frames=window.frames @ frame_map, speech=window.speech @ sentence_map)
    return there, replace(query, **seen, **said)
