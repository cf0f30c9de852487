"""The cross-attention aligner's network: attention between clips or utterances and words, and over time.

The network uses embeddings only through their inner products, on the encoder's calibrated scale, so one checkpoint
serves every encoder of any width. In each modality a *matcher* compares a sequence (clips, or utterances) with the
tokens of a description:

- across: every step attends to the tokens, softmax(QKᵀ/√d + a·evidence)V, evidence being the calibrated inner product
  of step and token;
- by name: a clip attends to the most similar names of the encoder's vocabulary, and reads how similar each is to the
  description, which separates a container ship from a speedboat although their embeddings are close;
- back: the description's state attends to all steps so far, which separates the usual from the new;
- over time: causal self-attention with the similarity of steps and their relative position as biases.

Decisions are causal except for ``LOOKAHEAD`` steps. Foreground and offsets follow UniVTG (Lin et al. 2023).
"""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

from alignment.aligners.trained.another_name import meant_names, nearer_to_another
from alignment.aligners.trained.batches import Batch, Outputs, TokenKind
from alignment.aligners.trained.kv_cache import Names, Past, Tokens
from alignment.aligners.trained.on_panel import name_evidence, near, similarity, z_scores
from alignment.aligners.utterances import PASSAGE_HELP, PASSAGE_WEIGHT
from alignment.calibration import SENTENCES
from alignment.panel import COLUMNS

LOOKAHEAD = 1  # future clips visible to the first layer over time; the other layers see none
EVIDENCE = 4.0  # calibrated logits are divided by this and clipped to ±``MOST`` as input of the network
MOST = 3.0
KINDS = len(TokenKind)
SHOWN = 24  # names attended to per clip
NEVER = -1e4  # a masked logit; finite, so that a row without tokens does not become NaN


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The size of the network. ``window``: the number of past steps that attention over time reaches."""

    width: int = 48
    heads: int = 4
    layers: int = 2
    window: int = 75


@dataclass(frozen=True, slots=True)
class Matched:
    """Output of a matcher: ``state`` f32[B, T, C], attention f32[B, T, N], ``logit`` f32[B, T]."""

    state: Tensor
    attention: Tensor
    logit: Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return softmax(QKᵀ/√d + bias)V and the weights (Vaswani et al. 2017); bias f32[B, H, T, N]."""
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias).softmax(-1)
    return weights @ v, weights


class Matcher(nn.Module):
    """Compares one sequence with one description."""

    def __init__(self, config: ModelConfig, layers: int) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.config = config
        self.describe = nn.Sequential(nn.Linear(KINDS + 4, width), nn.GELU(), nn.Linear(width, width))
        self.enter = nn.Sequential(nn.Linear(2 * KINDS + width, width), nn.GELU(), nn.Linear(width, width))
        self.across_q = nn.Linear(width, width)
        self.across_kv = nn.Linear(width, 2 * width)
        self.evidence = nn.Parameter(torch.full((heads,), 4.0) * torch.linspace(0.5, 2.0, heads))
        self.across_out = nn.Sequential(nn.LayerNorm(width + heads), nn.Linear(width + heads, width))
        self.layers = nn.ModuleList(OverTime(config, LOOKAHEAD if i == 0 else 0) for i in range(layers))
        answer = nn.Linear(width, 1)
        nn.init.zeros_(answer.weight)
        nn.init.zeros_(answer.bias)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), answer)
        self.direct = nn.Parameter(torch.tensor([1.0, 0.0]))  # the output without the network: calibrated similarity

    def tokens(
        self,
        rows: Tensor,
        mask: Tensor,
        kind: Tensor,
        like: Tensor,
        steps: Tensor,
        texts: Tensor,
        names: Names | None = None,
    ) -> Tokens:
        """Encode a description; ``steps`` and ``texts`` f32[B, 2] are its calibrations with steps and with texts."""
        like = calibrated(like, texts[:, None])
        known = _familiarity(names.like) if names else torch.zeros_like(texts)
        word = _mean(like, mask & (kind == TokenKind.WORD))
        per_query = torch.cat([known, word[:, None]], -1)[:, None].expand(-1, rows.shape[1], -1)
        features = [F.one_hot(kind, KINDS).float(), like[..., None], per_query]
        state = self.describe(torch.cat(features, -1))
        return Tokens(rows, mask, kind, state, _mean(state, mask[..., None]), steps, names)

    def nothing(self, batch: int, dim: int) -> Past:
        """Return the empty cache before the first step, for ``batch`` descriptions that share one sequence."""
        config = self.config
        empty = torch.zeros(batch, config.heads, 0, config.width // config.heads)
        layers = range(config.layers)
        rows, mask = torch.zeros(1, 0, dim), torch.zeros(1, 0, dtype=torch.bool)
        return Past(rows, mask, torch.zeros(1, 0, COLUMNS), [empty for _ in layers], [empty for _ in layers])

    def forward(
        self,
        rows: Tensor,
        mask: Tensor,
        tokens: Tokens,
        score: Tensor,
        past: Past | None = None,
        named: Tensor | None = None,
        owner: Tensor | None = None,
    ) -> Matched:
        """Match steps f32[S, T, D], with ``named`` f32[B, T, C] from ``ByName``; the steps are appended to ``past``.

        ``owner`` int64[B] is the index of the sequence of each description; None: S is B, or 1 for all descriptions.
        ``score`` f32[B, T, N]: cosines or z-scores of steps and tokens, which ``tokens.curve`` calibrates.
        """
        evidence = calibrated(score, tokens.curve[:, None, None])  # [B, T, N]
        state, attention = self.across(evidence, tokens)
        state = state if named is None else state + named
        rows_all, mask_all = (rows, mask) if past is None else _extend(past, rows, mask)
        alike, mask_all = _of(rows @ rows_all.transpose(1, 2), owner), _of(mask_all, owner)
        for i, layer in enumerate(self.layers):
            state = layer(state, tokens.summary, alike, mask_all, past, i)
        return Matched(state, attention * _of(mask, owner)[..., None], self.answer(state, evidence, tokens))

    def answer(self, state: Tensor, evidence: Tensor, tokens: Tokens) -> Tensor:
        """Return the logits f32[B, T] of steps, from their states f32[B, T, C] and their evidence f32[B, T, N]."""
        best = _best(evidence, tokens, TokenKind.WHOLE)
        logit: Tensor = EVIDENCE * self.direct[0] * best + self.direct[1] + self.out(state)[..., 0]
        return logit

    def across(self, evidence: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Return the states f32[B, T, C] of steps before attention over time, and their attention to the tokens."""
        b, t, _ = evidence.shape
        best = [_best(evidence, tokens, kind) for kind in TokenKind]
        has = [(tokens.mask & (tokens.kind == kind)).any(-1)[:, None].expand(b, t).float() for kind in TokenKind]
        summary = tokens.summary[:, None].expand(-1, t, -1)
        state = self.enter(torch.cat([torch.stack(best + has, -1), summary], -1))
        q = split_heads(self.across_q(state), self.config.heads)
        k, v = (split_heads(x, self.config.heads) for x in self.across_kv(tokens.state).chunk(2, -1))
        bias = self.evidence[None, :, None, None] * evidence[:, None]
        bias = bias.masked_fill(~tokens.mask[:, None, None], NEVER)
        read, weights = attend(q, k, v, bias)
        seen = (weights * evidence[:, None]).sum(-1).transpose(1, 2)  # [B, T, H] attended evidence
        state = state + self.across_out(torch.cat([read.transpose(1, 2).reshape(b, t, -1), seen], -1))
        return state, weights.mean(1) * tokens.mask[:, None]


class ByName(nn.Module):
    """Represents each clip by its most similar names, and their similarity to the description."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.heads = heads
        self.sharpness = nn.Parameter(EVIDENCE * torch.linspace(0.25, 1.5, heads))
        self.value = nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Linear(width, width))
        self.out = nn.Sequential(nn.LayerNorm(width + heads), nn.Linear(width + heads, width))

    def forward(self, evidence: Tensor, names: Names, owner: Tensor | None) -> Tensor:
        """Return f32[B, T, C], zero if the encoder has no names; evidence f32[S, T, K], owner as for ``Matcher``."""
        evidence = evidence.masked_fill(~names.known, NEVER)
        shown, place = evidence.topk(min(SHOWN, len(names.rows)), dim=-1)  # per sequence, for all descriptions
        shown = shown - shown[..., :1]  # relative: which names, not whether any fits
        like = names.like
        b, t, s = len(like), *shown.shape[1:]
        shown, place = _of(shown, owner).expand(b, t, s), _of(place, owner).expand(b, t, s)
        here = like[:, None].expand(b, t, -1).gather(2, place)
        less = here - like.amax(-1)[:, None, None]  # than for the description's most similar name
        weights = (self.sharpness * shown[..., None]).softmax(2)  # [B, T, S, H]
        value = self.value(torch.stack([shown.clamp(min=-MOST), here, less, here * shown.exp()], -1))
        read = torch.einsum("btsh,btshd->bthd", weights, value.view(b, t, s, self.heads, -1)).flatten(2)
        answer: Tensor = self.out(torch.cat([read, (weights * here[..., None]).sum(2)], -1))
        return answer * names.told[:, None, None]


class OverTime(nn.Module):
    """One pre-norm layer of causal self-attention with similarity and relative position as biases."""

    def __init__(self, config: ModelConfig, lookahead: int) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.heads, self.window, self.lookahead = heads, config.window, lookahead
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.ask = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.likeness = nn.Parameter(torch.zeros(heads))
        self.distance = nn.Parameter(-0.1 * torch.arange(config.window + lookahead).float().expand(heads, -1).clone())
        self.mix = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(
        self, state: Tensor, summary: Tensor, alike: Tensor, mask: Tensor, past: Past | None, index: int
    ) -> Tensor:
        """Mix steps f32[B, T, C] with past steps and each other; alike f32[B, T, P + T], mask bool[B, P + T]."""
        b, t, width = state.shape
        asked, k, v = self.qkv(self.norm(state)).chunk(3, -1)
        q, k, v = (split_heads(x, self.heads) for x in (asked + self.ask(summary)[:, None], k, v))
        if past is not None:
            past.keys[index] = k = torch.cat([past.keys[index], k], 2)
            past.values[index] = v = torch.cat([past.values[index], v], 2)
        read, _ = attend(q, k, v, self._bias(alike, mask))
        state = state + self.out(read.transpose(1, 2).reshape(b, t, width))
        mixed: Tensor = state + self.mix(self.norm2(state))
        return mixed

    def _bias(self, alike: Tensor, mask: Tensor) -> Tensor:
        t, total = alike.shape[1:]
        here = torch.arange(total - t, total, device=alike.device)[:, None]
        back = here - torch.arange(total, device=alike.device)[None]  # [T, P + T]
        # a padded step attends to itself, so that it never has only padding to attend to
        allowed = (back >= -self.lookahead) & (back < self.window) & mask[:, None] | (back == 0)
        place = (back + self.lookahead).clamp(0, self.distance.shape[1] - 1)
        bias = self.likeness[None, :, None, None] * alike[:, None] + self.distance[:, place][None]
        return bias.masked_fill(~allowed[:, None], NEVER)


class CrossAttention(nn.Module):
    """The whole network: a matcher for clips and one for utterances, output heads, and the joining of modalities."""

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.vision, self.named = Matcher(self.config, self.config.layers), ByName(self.config)
        self.speech = Matcher(self.config, 0)  # a passage already contains the context of an utterance
        self.offsets = nn.Linear(self.config.width, 2)
        self.saliency = nn.Linear(self.config.width, 1)
        self.sound = nn.Parameter(torch.tensor([10.0, 0.5]))  # slope and midpoint that sharpen the tagger's probability

    def forward(self, batch: Batch) -> Outputs:
        """Return the outputs of whole windows."""
        seen = self.see(batch.frames, batch.frame_mask, batch.scales, self.describe_seen(batch))
        spoken = self.hear(batch.utterances, batch.utterance_mask, batch.passages, self.describe_said(batch))
        return self.join(batch, seen, spoken)

    def describe_seen(self, batch: Batch) -> Tokens:
        """Encode the descriptions for clips."""
        steps, _, texts = batch.curves.unbind(1)
        like = calibrated(batch.likeness, texts.new_tensor([SENTENCES.scale, SENTENCES.midpoint]))
        panel = bool(batch.panel.any())
        told, meant = batch.likeness.any(-1), meant_names(batch.likeness)
        names = Names(batch.vocabulary, batch.vocabulary.any(-1), like, told, meant, panel)
        described = batch.tokens, batch.token_mask, batch.token_kind, batch.token_like
        return self.vision.tokens(*described, steps, texts, names)

    def see(
        self,
        frames: Tensor,
        mask: Tensor,
        scales: Tensor,
        tokens: Tokens,
        past: Past | None = None,
        owner: Tensor | None = None,
    ) -> Matched:
        """Match clips f32[S, T, D] with descriptions; clips are appended to ``past``; ``owner`` as for ``Matcher``.

        ``scales`` f32[S, T, 3] are those of z-scores, where the encoder has a panel.
        """
        names = tokens.names
        assert names is not None
        known = frames @ names.rows.T
        if names.panel:
            return self._see_on_panel(frames, mask, scales, tokens, known, past, owner)
        named = self.named(known * tokens.curve[0, 0] / EVIDENCE, names, owner)
        score = _of(frames, owner) @ tokens.rows.transpose(1, 2)
        found = cast(Matched, self.vision(frames, mask, tokens, score, past, named, owner))
        known = _of(known, owner).expand(len(names.meant), -1, -1)
        return replace(found, logit=found.logit - nearer_to_another(known, names.meant, tokens.curve[:, 0]))

    def _see_on_panel(
        self,
        frames: Tensor,
        mask: Tensor,
        scales: Tensor,
        tokens: Tokens,
        known: Tensor,
        past: Past | None,
        owner: Tensor | None,
    ) -> Matched:
        """Match clips by z-scores, near similarity; ``known`` f32[S, T, K] cosines with the panel."""
        assert tokens.names is not None
        steps, before = (frames, mask, scales), (frames[:, :0], mask[:, :0], scales[:, :0])
        if past is not None:
            before = past.rows[:, -1:], past.mask[:, -1:], past.scales[:, -1:]
            past.scales = torch.cat([past.scales, scales], 1)
        rows, real, scale = (_of(torch.cat(x, 1), owner) for x in zip(before, steps, strict=True))
        z = z_scores(rows @ tokens.rows.transpose(1, 2), scale)  # [B, 1 + T, N], with the clip before, if any
        wanted, unwanted = (_best(z, tokens, kind, NEVER) for kind in (TokenKind.WHOLE, TokenKind.UNLIKE))
        begin = z.shape[1] - frames.shape[1]
        named = self.named(name_evidence(known, scales), tokens.names, owner)
        found = cast(Matched, self.vision(frames, mask, tokens, z[:, begin:], past, named, owner))
        return replace(found, logit=near(found.logit, similarity(wanted, unwanted, real)[:, begin:]))

    def describe_said(self, batch: Batch) -> Tokens:
        """Encode the descriptions for utterances, without names."""
        sentences = batch.curves[:, 1]
        described = batch.said, batch.said_mask, batch.said_kind, batch.said_like
        return self.speech.tokens(*described, sentences, sentences)

    def hear(self, utterances: Tensor, mask: Tensor, passages: Tensor, tokens: Tokens) -> Matched:
        """Match utterances with descriptions; a passage that fits better raises the score slightly."""
        described = tokens.rows.transpose(1, 2)
        own, passage = utterances @ described, passages @ described
        cosine = own + (PASSAGE_WEIGHT * (passage - own)).clamp(0, PASSAGE_HELP)
        return cast(Matched, self.speech(utterances, mask, tokens, cosine))

    def parts(self, batch: Batch, seen: Tensor, spoken: Tensor) -> Tensor:
        """Return f32[B, T, 3]: the probability by modality, from the logits of clips and of utterances."""
        words = batch.covers & batch.utterance_mask[:, None]
        said = torch.where(words, spoken[:, None], NEVER).amax(-1)
        sound = self.sound[0] * (batch.sound - self.sound[1])
        masks = (batch.frame_mask, batch.clip_mask, batch.sound_mask)
        logits = [x.masked_fill(~m, NEVER) for x, m in zip((seen, said, sound), masks, strict=True)]
        shape = len(batch.prior), batch.clip_mask.shape[1]
        return torch.stack([x.expand(shape) for x in logits], -1).sigmoid() * batch.prior[:, None]

    def join(self, batch: Batch, seen: Matched, spoken: Matched) -> Outputs:
        """Join the modalities by noisy-or: the event is absent only if it is absent in every modality."""
        parts = self.parts(batch, seen.logit, spoken.logit)
        absent = torch.log1p(-parts.clamp(max=1 - 1e-6)).sum(-1)
        foreground = torch.log(-torch.expm1(absent) + 1e-9) - absent
        weight = parts + 1e-6 * batch.prior[:, None] + 1e-12
        saliency = foreground + self.saliency(seen.state)[..., 0]
        offsets = F.softplus(self.offsets(seen.state))
        return Outputs(foreground, offsets, saliency, weight / weight.sum(-1, True), seen.attention)


def calibrated(x: Tensor, curve: Tensor) -> Tensor:
    """Return inner products on the encoder's calibrated scale; curve f32[..., 2] is scale and midpoint."""
    return (curve[..., 0] * (x - curve[..., 1]) / EVIDENCE).clamp(-MOST, MOST)


def _best(evidence: Tensor, tokens: Tokens, kind: TokenKind, least: float = -MOST) -> Tensor:
    """Return f32[B, T]: each step's highest evidence among tokens of one kind, ``least`` without any."""
    chosen = tokens.mask & (tokens.kind == kind)
    return evidence.masked_fill(~chosen[:, None], least).amax(-1)


def _familiarity(like: Tensor) -> Tensor:
    """Return f32[B, 2]: the similarity of the best name, and its margin over the other near names together."""
    near = like.topk(min(SHOWN, like.shape[-1]), dim=-1).values
    return torch.stack([near[:, 0], near[:, 0] - near.mean(-1)], -1)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over axis 1 where ``mask`` is True; 0 if it is nowhere True."""
    return (x * mask).sum(1) / mask.sum(1).clamp(min=1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return f32[B, H, T, d] of f32[B, T, C]."""
    return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)


def _of(x: Tensor, owner: Tensor | None) -> Tensor:
    """Return, per description, the row of its sequence; ``owner`` None: x unchanged."""
    return x if owner is None else x[owner]


def _extend(past: Past, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    past.rows, past.mask = torch.cat([past.rows, rows], 1), torch.cat([past.mask, mask], 1)
    return past.rows, past.mask
