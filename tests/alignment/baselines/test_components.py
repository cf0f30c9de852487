"""Fusions, sequence encoders, attention: formulas by hand, masks, training against evaluation."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alignment.baselines.fusion import FUSIONS, Concatenation, CrossAttention, FusionSize, Product, Weighted
from alignment.baselines.moment_detr import assign
from alignment.layers import SEQUENCE_ENCODERS, DecoderLayer, EncoderLayer, MultiHeadAttention

SIZE = FusionSize(width=8, heads=2, hidden=16, layers=2, dropout=0.0)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    clips, tokens = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    return clips, torch.arange(5) < torch.tensor([[5], [3]]), tokens, torch.arange(4) < torch.tensor([[4], [2]])


def mean_token(tokens: Tensor) -> Tensor:
    return torch.stack([tokens[0].mean(0), tokens[1, :2].mean(0)])[:, None].expand(2, 5, 8)


def test_the_simple_fusions_follow_their_formulas() -> None:
    clips, clip_mask, tokens, mask = inputs()
    text = mean_token(tokens)
    early, weighted, product = Concatenation(SIZE), Weighted(SIZE), Product(SIZE)
    nn.init.normal_(weighted.weight)
    a = torch.sigmoid(weighted.weight)
    expected = [
        (early, torch.sigmoid(torch.cat([clips, text], -1) @ early.join.weight.T + early.join.bias)),
        (weighted, a * clips + (1 - a) * text),
        (product, torch.softmax((clips * text) @ product.join.weight.T + product.join.bias, -1)),
    ]
    for fusion, state in expected:
        fused = fusion(clips, clip_mask, tokens, mask)
        assert torch.allclose(fused.state, state, atol=1e-6)
        assert torch.allclose(fused.attention[1], torch.tensor([0.5, 0.5, 0, 0]).expand(5, 4))


def test_cross_attention_is_softmax_of_scaled_products() -> None:
    clips, clip_mask, tokens, mask = inputs()
    fusion = CrossAttention(FusionSize(width=8, heads=1))
    m = fusion.attention
    q, (k, v) = m.query(clips), m.key_value(tokens).chunk(2, -1)
    weights = (q @ k.transpose(1, 2) / math.sqrt(8)).masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    read = m.out(weights @ v)
    fused = fusion(clips, clip_mask, tokens, mask)
    assert torch.allclose(fused.attention, weights, atol=1e-6)
    assert torch.allclose(fused.state, fusion.join(torch.cat([clips, read, clips * read], -1)), atol=1e-5)


def test_several_heads_are_as_torchs_own() -> None:
    ours, theirs = MultiHeadAttention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    clips, _, tokens, mask = inputs()
    expected, weights = theirs(clips, tokens, tokens, key_padding_mask=~mask)
    assert torch.allclose(ours(clips, tokens, mask), expected, atol=1e-6)
    assert torch.allclose(ours.weights(clips, tokens, mask), weights, atol=1e-6)


@pytest.mark.parametrize("name", FUSIONS)
def test_fusions_read_nothing_behind_a_mask(name: str) -> None:
    clips, clip_mask, tokens, mask = inputs()
    fusion = FUSIONS[name](SIZE)
    fused = fusion(clips, clip_mask, tokens, mask)
    other = fusion(
        clips.masked_fill(~clip_mask[..., None], 7), clip_mask, tokens.masked_fill(~mask[..., None], -9), mask
    )
    assert torch.allclose(fused.state[clip_mask], other.state[clip_mask], atol=1e-6)
    assert torch.allclose(fused.attention[clip_mask], other.attention[clip_mask], atol=1e-6)
    assert torch.allclose(fused.attention.sum(-1), torch.ones(2, 5))
    assert not fused.attention[1, :, 2:].any()


@pytest.mark.parametrize("name", SEQUENCE_ENCODERS)
def test_sequence_encoders_do_not_see_padding(name: str) -> None:
    x, mask, *_ = inputs()
    encoder = SEQUENCE_ENCODERS[name](8).eval()
    padded = encoder(x.masked_fill(~mask[..., None], 5), mask)
    alone = encoder(x[1:, :3], mask[1:, :3])
    assert padded.shape == x.shape
    assert torch.allclose(padded[1, :3], alone[0], atol=1e-6)
    spread = torch.autograd.grad(encoder(x.requires_grad_(), mask)[0, 0].sum(), x)[0][0].abs().sum(-1) > 0
    assert spread.tolist() == [True] + [name != "none"] * 4


@pytest.mark.parametrize(
    "layer", [EncoderLayer(8, 2, 16, 0.0), DecoderLayer(8, 2, 16, 0.0)], ids=["encoder", "decoder"]
)
def test_training_and_evaluation_agree(layer: nn.Module) -> None:
    x, mask, memory, memory_mask = inputs()
    arguments = (x, mask) if isinstance(layer, EncoderLayer) else (x, memory, memory_mask)
    trained = layer.train()(*arguments)
    with torch.no_grad():
        assert torch.allclose(trained, layer.eval()(*arguments), atol=1e-6)


def test_the_preset_is_as_large_as_it_says() -> None:
    fusion = FUSIONS["self_attention"](FusionSize(width=512, heads=8, hidden=2048, layers=2))
    layer = 4 * 512 * 513 + 2 * 512 * 2048 + 2048 + 512 + 4 * 512
    assert sum(p.numel() for p in fusion.parameters()) == 2 * layer + 2 * 512


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (4, 4), (3, 6), (0, 3)])
def test_assignments_are_the_cheapest_of_all(shape: tuple[int, int]) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        cost = rng.normal(size=shape) if seed % 2 else rng.integers(-2, 3, shape).astype(float)
        pairs = assign(cost)
        rows, columns = shape
        short, long = min(shape), max(shape)
        tries = itertools.permutations(range(long), short)
        best = min(sum(cost[(i, j) if rows <= columns else (j, i)] for i, j in enumerate(t)) for t in tries)
        assert len(pairs) == len({r for r, _ in pairs}) == len({c for _, c in pairs}) == short
        assert sum(cost[p] for p in pairs) == pytest.approx(best)
