"""The cross-attention aligner's network: clips and utterances ↔ words and concepts, and over time.

The network sees embeddings only through their inner products, on the encoder's calibrated scale, so one checkpoint
serves every encoder of any width. In each modality a *matcher* reads a sequence (clips, or utterances) against the
tokens of a description:

- across: every step attends to the tokens, softmax(QKᵀ/√d + a·evidence)V, evidence being the calibrated inner product
  of step and token;
- by name: a clip attends to the things it shows best among all that the encoder knows by name, and reads how alike
  each is to the description, which tells a container ship from a speedboat where both are much alike;
- back: the description's own state asks all steps so far, which tells what is usual here from what is new;
- over time: causal self-attention with the steps' own likeness as a bias and a relative position.

Decisions are causal but for ``LOOKAHEAD`` steps. Foreground and offsets follow UniVTG (Lin et al. 2023).
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

from alignment.batches import Batch, Outputs, TokenKind
from alignment.memory import Names, Past, Tokens
from alignment.passages import PASSAGE_HELP, PASSAGE_WEIGHT

LOOKAHEAD = 1  # later clips the first layer over time may see; the others see none, so the whole sees no more
EVIDENCE = 4.0  # calibrated logits are divided by this, and cut at ±``MOST``, before the network sees them
MOST = 3.0
KINDS = len(TokenKind)
SHOWN = 24  # things a clip is read as
NEVER = -1e4  # a masked logit; finite, so that a row without any token is no NaN


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The size of the network. ``window``: how many steps back attention over time reaches."""

    width: int = 48
    heads: int = 4
    layers: int = 2
    window: int = 75


@dataclass(frozen=True, slots=True)
class Matched:
    """What a matcher found: ``state`` f32[B, T, C], attention f32[B, T, N], ``logit`` f32[B, T]."""

    state: Tensor
    attention: Tensor
    logit: Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return softmax(QKᵀ/√d + bias)V and the weights (Vaswani et al. 2017); bias f32[B, H, T, N]."""
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias).softmax(-1)
    return weights @ v, weights


class Matcher(nn.Module):
    """Reads one sequence against one description."""

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
        self.direct = nn.Parameter(torch.tensor([1.0, 0.0]))  # the answer without the network: calibrated similarity

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
        """Read a description; ``steps`` and ``texts`` f32[B, 2] calibrate it against steps and against texts."""
        like = _calibrated(like, texts[:, None])
        known = _familiarity(names.like) if names else torch.zeros_like(texts)
        word = _mean(like, mask & (kind == TokenKind.WORD))
        per_query = torch.cat([known, word[:, None]], -1)[:, None].expand(-1, rows.shape[1], -1)
        features = [F.one_hot(kind, KINDS).float(), like[..., None], per_query]
        state = self.describe(torch.cat(features, -1))
        return Tokens(rows, mask, kind, state, _mean(state, mask[..., None]), steps, names)

    def nothing(self, batch: int, dim: int) -> Past:
        """Return what is remembered before the first step, of ``batch`` descriptions that share one sequence."""
        config = self.config
        empty = torch.zeros(batch, config.heads, 0, config.width // config.heads)
        layers = range(config.layers)
        rows, mask = torch.zeros(1, 0, dim), torch.zeros(1, 0, dtype=torch.bool)
        return Past(rows, mask, [empty for _ in layers], [empty for _ in layers])

    def forward(
        self,
        rows: Tensor,
        mask: Tensor,
        tokens: Tokens,
        past: Past | None = None,
        named: Tensor | None = None,
        cosine: Tensor | None = None,
        owner: Tensor | None = None,
    ) -> Matched:
        """Match steps f32[S, T, D], of which ``named`` f32[B, T, C] tells more; ``past`` is read, and grows by them.

        ``owner`` int64[B] tells with which of the S sequences a description is matched; None: S is B, or 1 for all.
        ``cosine`` f32[B, T, N] of steps and tokens, where it is not their inner product.
        """
        cosine = _of(rows, owner) @ tokens.rows.transpose(1, 2) if cosine is None else cosine
        evidence = _calibrated(cosine, tokens.curve[:, None, None])  # [B, T, N]
        state, attention = self._across(evidence, tokens)
        state = state if named is None else state + named
        rows_all, mask_all = (rows, mask) if past is None else _extend(past, rows, mask)
        alike, mask_all = _of(rows @ rows_all.transpose(1, 2), owner), _of(mask_all, owner)
        for i, layer in enumerate(self.layers):
            state = layer(state, tokens.summary, alike, mask_all, past, i)
        best = _best(evidence, tokens, TokenKind.WHOLE)
        logit = EVIDENCE * self.direct[0] * best + self.direct[1] + self.out(state)[..., 0]
        return Matched(state, attention * _of(mask, owner)[..., None], logit)

    def _across(self, evidence: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor]:
        b, t, _ = evidence.shape
        best = [_best(evidence, tokens, kind) for kind in TokenKind]
        has = [(tokens.mask & (tokens.kind == kind)).any(-1)[:, None].expand(b, t).float() for kind in TokenKind]
        summary = tokens.summary[:, None].expand(-1, t, -1)
        state = self.enter(torch.cat([torch.stack(best + has, -1), summary], -1))
        q = _heads(self.across_q(state), self.config.heads)
        k, v = (_heads(x, self.config.heads) for x in self.across_kv(tokens.state).chunk(2, -1))
        bias = self.evidence[None, :, None, None] * evidence[:, None]
        bias = bias.masked_fill(~tokens.mask[:, None, None], NEVER)
        read, weights = attend(q, k, v, bias)
        seen = (weights * evidence[:, None]).sum(-1).transpose(1, 2)  # [B, T, H] evidence of what is attended
        state = state + self.across_out(torch.cat([read.transpose(1, 2).reshape(b, t, -1), seen], -1))
        return state, weights.mean(1) * tokens.mask[:, None]


class ByName(nn.Module):
    """Reads each clip as the things it shows best, and how alike each of them is to the description."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.heads = heads
        self.sharpness = nn.Parameter(EVIDENCE * torch.linspace(0.25, 1.5, heads))
        self.value = nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Linear(width, width))
        self.out = nn.Sequential(nn.LayerNorm(width + heads), nn.Linear(width + heads, width))

    def forward(self, frames: Tensor, tokens: Tokens, names: Names, owner: Tensor | None) -> Tensor:
        """Return f32[B, T, C]; frames and owner as ``Matcher``'s. Nothing where the encoder knows nothing by name."""
        evidence = (frames @ names.rows.T * tokens.curve[0, 0] / EVIDENCE).masked_fill(~names.known, NEVER)
        shown, place = evidence.topk(min(SHOWN, len(names.rows)), dim=-1)  # of each sequence, whoever asks
        shown = shown - shown[..., :1]  # which of them, not whether any
        like = names.like
        b, t, s = len(like), *shown.shape[1:]
        shown, place = _of(shown, owner).expand(b, t, s), _of(place, owner).expand(b, t, s)
        here = like[:, None].expand(b, t, -1).gather(2, place)
        less = here - like.amax(-1)[:, None, None]  # than the best name for the description
        weights = (self.sharpness * shown[..., None]).softmax(2)  # [B, T, S, H]
        value = self.value(torch.stack([shown.clamp(min=-MOST), here, less, here * shown.exp()], -1))
        read = torch.einsum("btsh,btshd->bthd", weights, value.view(b, t, s, self.heads, -1)).flatten(2)
        answer: Tensor = self.out(torch.cat([read, (weights * here[..., None]).sum(2)], -1))
        return answer * names.told[:, None, None]


class OverTime(nn.Module):
    """One pre-norm layer of causal self-attention with likeness and relative position as biases."""

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
        """Mix steps f32[B, T, C] with what is remembered and each other; alike f32[B, T, P + T], mask [B, P + T]."""
        b, t, width = state.shape
        asked, k, v = self.qkv(self.norm(state)).chunk(3, -1)
        q, k, v = (_heads(x, self.heads) for x in (asked + self.ask(summary)[:, None], k, v))
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
        # a step that is not real reads itself, or with nothing else to read it would read padding
        allowed = (back >= -self.lookahead) & (back < self.window) & mask[:, None] | (back == 0)
        place = (back + self.lookahead).clamp(0, self.distance.shape[1] - 1)
        bias = self.likeness[None, :, None, None] * alike[:, None] + self.distance[:, place][None]
        return bias.masked_fill(~allowed[:, None], NEVER)


class CrossAttention(nn.Module):
    """The whole network: a matcher for what is seen and one for what is said, heads, and the modalities joined."""

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.vision, self.named = Matcher(self.config, self.config.layers), ByName(self.config)
        self.speech = Matcher(self.config, 0)  # what was said before and after is in the passage already
        self.offsets = nn.Linear(self.config.width, 2)
        self.saliency = nn.Linear(self.config.width, 1)
        self.sound = nn.Parameter(torch.tensor([10.0, 0.5]))  # slope and midpoint: the tagger's probability, sharpened

    def forward(self, batch: Batch) -> Outputs:
        """Answer whole windows."""
        seen = self.see(batch.frames, batch.frame_mask, self.describe_seen(batch))
        spoken = self.hear(batch.utterances, batch.utterance_mask, batch.passages, self.describe_said(batch))
        return self.join(batch, seen, spoken)

    def describe_seen(self, batch: Batch) -> Tokens:
        """Read the descriptions of what is seen."""
        steps, texts = batch.curves.unbind(1)
        like = _calibrated(batch.likeness, texts[:, None])
        names = Names(batch.vocabulary, batch.vocabulary.any(-1), like, batch.likeness.any(-1))
        described = batch.tokens, batch.token_mask, batch.token_kind, batch.token_like
        return self.vision.tokens(*described, steps, texts, names)

    def see(
        self, frames: Tensor, mask: Tensor, tokens: Tokens, past: Past | None = None, owner: Tensor | None = None
    ) -> Matched:
        """Match clips f32[S, T, D] with descriptions; ``past`` is read, and grows by them; ``owner`` as of matchers."""
        assert tokens.names is not None
        named = self.named(frames, tokens, tokens.names, owner)
        return cast(Matched, self.vision(frames, mask, tokens, past, named, owner=owner))

    def describe_said(self, batch: Batch) -> Tokens:
        """Read the descriptions of what is said, which has no names."""
        texts = batch.curves[:, 1]
        return self.speech.tokens(batch.said, batch.said_mask, batch.said_kind, batch.said_like, texts, texts)

    def hear(self, utterances: Tensor, mask: Tensor, passages: Tensor, tokens: Tokens) -> Matched:
        """Match utterances with descriptions; a passage that fits better than its utterance helps it a little."""
        described = tokens.rows.transpose(1, 2)
        own, passage = utterances @ described, passages @ described
        cosine = own + (PASSAGE_WEIGHT * (passage - own)).clamp(0, PASSAGE_HELP)
        return cast(Matched, self.speech(utterances, mask, tokens, cosine=cosine))

    def parts(self, batch: Batch, seen: Tensor, spoken: Tensor) -> Tensor:
        """Return f32[B, T, 3]: the probability by each modality, of the logits of clips and of utterances."""
        words = batch.covers & batch.utterance_mask[:, None]
        said = torch.where(words, spoken[:, None], NEVER).amax(-1)
        sound = self.sound[0] * (batch.sound - self.sound[1])
        masks = (batch.frame_mask, batch.clip_mask, batch.sound_mask)
        logits = [x.masked_fill(~m, NEVER) for x, m in zip((seen, said, sound), masks, strict=True)]
        shape = len(batch.prior), batch.clip_mask.shape[1]
        return torch.stack([x.expand(shape) for x in logits], -1).sigmoid() * batch.prior[:, None]

    def join(self, batch: Batch, seen: Matched, spoken: Matched) -> Outputs:
        """Join the modalities of clips by noisy-or: the event is there unless each modality says it is not."""
        parts = self.parts(batch, seen.logit, spoken.logit)
        absent = torch.log1p(-parts.clamp(max=1 - 1e-6)).sum(-1)
        foreground = torch.log(-torch.expm1(absent) + 1e-9) - absent
        weight = parts + 1e-6 * batch.prior[:, None] + 1e-12
        saliency = foreground + self.saliency(seen.state)[..., 0]
        offsets = F.softplus(self.offsets(seen.state))
        return Outputs(foreground, offsets, saliency, weight / weight.sum(-1, True), seen.attention)


def _calibrated(x: Tensor, curve: Tensor) -> Tensor:
    """Return inner products on the encoder's calibrated scale; curve f32[..., 2] is scale and midpoint."""
    return (curve[..., 0] * (x - curve[..., 1]) / EVIDENCE).clamp(-MOST, MOST)


def _best(evidence: Tensor, tokens: Tokens, kind: TokenKind) -> Tensor:
    """Return f32[B, T]: each step's highest evidence among tokens of one kind, -``MOST`` without any."""
    chosen = tokens.mask & (tokens.kind == kind)
    return evidence.masked_fill(~chosen[:, None], -MOST).amax(-1)


def _familiarity(like: Tensor) -> Tensor:
    """Return f32[B, 2]: how alike the best name is, and how much better than the other near names on the whole."""
    near = like.topk(min(SHOWN, like.shape[-1]), dim=-1).values
    return torch.stack([near[:, 0], near[:, 0] - near.mean(-1)], -1)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over axis 1 where ``mask``; 0 where nothing is."""
    return (x * mask).sum(1) / mask.sum(1).clamp(min=1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """Return f32[B, H, T, d] of f32[B, T, C]."""
    return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)


def _of(x: Tensor, owner: Tensor | None) -> Tensor:
    """Return what each description is matched with, of what each sequence has."""
    return x if owner is None else x[owner]


def _extend(past: Past, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    past.rows, past.mask = torch.cat([past.rows, rows], 1), torch.cat([past.mask, mask], 1)
    return past.rows, past.mask
