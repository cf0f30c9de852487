"""What a user may choose about an encoder."""

from dataclasses import dataclass, replace
from typing import Literal

from workers.models.profiles import PROFILES, ProfileName

DType = Literal["auto", "float32", "float16", "bfloat16"]
Quantize = Literal["none", "int8"]


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """One profile with its model and how to run it.

    ``model`` is a name of the profile's library, a hub id or a local folder; None: the profile's default.
    ``device`` is ``auto``, ``cpu``, ``cuda``, ``cuda:1`` …; ``dtype`` ``auto`` means half precision on a GPU.
    ``lite`` runs its vision model in ``dtype`` (``auto``: float32), its text model in float32.
    Loading a model never uses the network: its weights are in a folder, or were pulled before.
    """

    profile: ProfileName = "lite"
    model: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: DType = "auto"
    batch_size: int = 64  # pictures or texts a forward pass
    threads: int | None = None  # CPU threads of torch; None: torch's own choice
    quantize: Quantize = "none"  # int8: the linear layers of the text model of ``lite``

    @property
    def precision(self) -> str:
        """Return what a model's id says where it answers otherwise than in full precision: ``/bfloat16``, ``/int8``."""
        chosen = (self.dtype, self.quantize)
        return "".join(f"/{name}" for name in chosen if name not in ("auto", "float32", "none"))

    def resolved(self) -> "EncoderOptions":
        """Return these options with the profile's default model filled in."""
        default = PROFILES[self.profile].default_model
        return self if self.model or default is None else replace(self, model=default.name)
