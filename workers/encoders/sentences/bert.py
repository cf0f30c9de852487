"""The encoder of BERT (Devlin et al. 2019), for inference: what `lite` needs of it.

The library `transformers` answers the same to 1e-6, but takes three seconds of a processor to import, each time that an
encoder starts or is started again after a crash.
"""

import json
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everywhere in the field

_NAMES = {  # parts of the names in a checkpoint, in the order of replacing, and ours
    "_embeddings.weight": ".weight",
    "embeddings.": "",
    "encoder.layer.": "layers.",
    "attention.self.": "",
    "attention.output.dense": "mix",
    "attention.output.LayerNorm": "norm_attended",
    "intermediate.dense": "widen",
    "output.dense": "narrow",
    "output.LayerNorm": "norm",
    "LayerNorm": "norm",
}
_UNUSED = ("position_ids", "pooler.dense.weight", "pooler.dense.bias")


class _Layer(nn.Module):
    """Attention and a perceptron, each added to what came in and then normed."""

    def __init__(self, width: int, inner: int, heads: int, eps: float) -> None:
        super().__init__()
        self._heads = heads
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm_attended, self.norm = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return f32[N, T, D] of f32[N, T, D]; ``mask`` bool[N, 1, 1, T]: which tokens may be looked at."""
        q, k, v = (f(x).unflatten(-1, (self._heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        x = self.norm_attended(x + self.mix(attended))
        y: Tensor = self.norm(x + self.narrow(F.gelu(self.widen(x))))
        return y


class Bert(nn.Module):
    """Tokens to rows. Made by ``load``."""

    def __init__(self, config: dict[str, int | float]) -> None:
        super().__init__()
        width, inner, heads = (int(config[k]) for k in ("hidden_size", "intermediate_size", "num_attention_heads"))
        eps = config["layer_norm_eps"]
        self.word = nn.Embedding(int(config["vocab_size"]), width)
        self.position = nn.Embedding(int(config["max_position_embeddings"]), width)
        self.token_type = nn.Embedding(int(config["type_vocab_size"]), width)
        self.norm = nn.LayerNorm(width, eps)
        self.layers = nn.ModuleList(_Layer(width, inner, heads, eps) for _ in range(int(config["num_hidden_layers"])))

    @classmethod
    def load(cls, folder: Path) -> "Bert":
        """Return a checkpoint's network in eval mode; raise ``OSError``, ``ValueError`` or ``RuntimeError``."""
        network = cls(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        tensors = {_renamed(name): tensor for name, tensor in load_file(folder / "model.safetensors").items()}
        network.load_state_dict({n: t for n, t in tensors.items() if n not in _UNUSED}, assign=True)
        return network.eval()

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return f32[N, T, D] for token ids i64[N, T]; ``mask`` bool[N, T]: False where a text is padded."""
        x = self.word(tokens) + self.position.weight[: tokens.shape[1]]
        x = self.norm(x + self.token_type.weight[0])
        for layer in self.layers:
            x = layer(x, mask[:, None, None])
        rows: Tensor = x
        return rows


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES.items():
        name = name.replace(theirs, ours)
    return name
