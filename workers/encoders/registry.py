"""Encoder profiles by name. A profile's module and library are imported when it is asked for."""

from importlib import import_module

from workers.encoders.base import Encoder
from workers.encoders.options import EncoderOptions
from workers.errors import ModelUnavailable

ENCODERS: dict[str, str] = {
    "lite": "workers.encoders.lite:LiteEncoder",
    "open_clip": "workers.encoders.open_clip_encoder:OpenClipEncoder",
    "transformers": "workers.encoders.transformers_encoder:TransformersEncoder",
    "own": "workers.encoders.own:OwnEncoder",
}


def load_encoder(options: EncoderOptions) -> Encoder:
    """Load the encoder of ``options.profile``; raise ``ModelUnavailable`` that says what to do."""
    target = ENCODERS.get(options.profile)
    if target is None:
        known = ", ".join(sorted(ENCODERS))
        raise ModelUnavailable(f"there is no encoder profile {options.profile!r}", f"use one of {known}")
    module, _, name = target.partition(":")
    encoder: Encoder = getattr(import_module(module), name)(options)
    return encoder
