"""The cross-attention network over a long sequence of clips at once, instead of clip by clip as it slides.

A clip's output depends on ``CONTEXT`` clips before it and one after it. Here time is cut into blocks of one window, so
that attention reaches a block and the one before it, and the work grows with the number of clips only. The numbers are
those of the sliding network up to the order of sums in f32 (``tests/alignment/aligners/trained/test_whole.py``).
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

from alignment.aligners.trained.another_name import nearer_to_another
from alignment.aligners.trained.kv_cache import Tokens
from alignment.aligners.trained.network import (
    EVIDENCE,
    LOOKAHEAD,
    NEVER,
    CrossAttention,
    Matcher,
    OverTime,
    calibrated,
    split_heads,
)
from alignment.types import F32, Bools


def context_of(model: CrossAttention) -> int:
    """Return on how many earlier clips the output of a clip depends."""
    return model.config.layers * model.config.window


@torch.inference_mode()
def see_whole(model: CrossAttention, tokens: Tokens, frames: F32, mask: Bools) -> F32:
    """Return the logits f32[T] of clips f32[T, D] for one description, of an encoder without a panel.

    ``mask`` bool[T] True where a frame was seen; rows without one are zero. The first ``context_of`` clips are right
    only if nothing came before them, and the last one only if nothing comes behind it.
    """
    names = tokens.names
    assert names is not None
    assert not names.panel
    rows, real = torch.from_numpy(frames)[None], torch.from_numpy(mask)[None]
    known = rows @ names.rows.T
    named = model.named(known * tokens.curve[0, 0] / EVIDENCE, names, None)
    matcher = model.vision
    evidence = calibrated(rows @ tokens.rows.transpose(1, 2), tokens.curve[:, None, None])
    state = matcher.across(evidence, tokens)[0] + named
    state = _over_time(matcher, state, tokens, rows[0], real[0])
    logit = matcher.answer(state, evidence, tokens) - nearer_to_another(known, names.meant, tokens.curve[:, 0])
    return np.asarray(logit[0].numpy(), np.float32)


def _over_time(matcher: Matcher, state: Tensor, tokens: Tokens, rows: Tensor, mask: Tensor) -> Tensor:
    """Return the states f32[1, T, C] after all layers."""
    size, clips = matcher.config.window, state.shape[1]
    missing = -clips % size
    state = F.pad(state, (0, 0, 0, missing))
    rows, mask = F.pad(rows, (0, 0, 0, missing)), F.pad(mask, (0, missing))
    blocks = len(mask) // size
    around = _blocks(rows, size)  # [blocks, keys, D]
    alike = rows.view(blocks, size, -1) @ around.transpose(1, 2)
    known = _blocks(mask[:, None].float(), size)[..., 0] > 0  # [blocks, keys]
    for layer in matcher.layers:
        state = _layer(cast(OverTime, layer), state, tokens.summary, alike, known)
    return state[:, :clips]


def _blocks(steps: Tensor, size: int) -> Tensor:
    """Return f32[blocks, size - 1 + size + LOOKAHEAD, ...]: each block of steps f32[T, ...] with what is around it."""
    padded = F.pad(steps, (0, 0, size - 1, LOOKAHEAD))
    return padded.unfold(0, 2 * size - 1 + LOOKAHEAD, size).movedim(-1, 1)


def _layer(layer: OverTime, state: Tensor, summary: Tensor, alike: Tensor, known: Tensor) -> Tensor:
    """Return the states after one layer, as ``OverTime`` does; alike f32[blocks, size, keys], known bool[..., keys]."""
    blocks, size, keys = alike.shape
    heads, width = layer.heads, state.shape[-1]
    asked, k, v = layer.qkv(layer.norm(state))[0].chunk(3, -1)
    q = split_heads((asked + layer.ask(summary)).view(blocks, size, width), heads)
    k, v = (split_heads(_blocks(x, size).reshape(blocks, keys, width), heads) for x in (k, v))
    back = torch.arange(size)[:, None] + size - 1 - torch.arange(keys)[None]  # [size, keys]
    allowed = (back >= -layer.lookahead) & (back < layer.window) & known[:, None] | (back == 0)
    place = (back + layer.lookahead).clamp(0, layer.distance.shape[1] - 1)
    bias = layer.likeness[None, :, None, None] * alike[:, None] + layer.distance[:, place][None]
    bias = bias.masked_fill(~allowed[:, None], NEVER)
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias).softmax(-1)
    read = (weights @ v).transpose(1, 2).reshape(1, blocks * size, width)
    state = state + layer.out(read)
    mixed: Tensor = state + layer.mix(layer.norm2(state))
    return mixed
