"""Loading of the encoder of a profile. Its module and libraries are imported only then."""

from pkgutil import resolve_name

from workers.encoders.base import Encoder
from workers.errors import ModelUnavailable
from workers.models.options import EncoderOptions
from workers.models.profiles import PROFILES


def load_encoder(options: EncoderOptions) -> Encoder:
    """Load the encoder of ``options.profile``; raise ``ModelUnavailable`` that says what to do."""
    profile = PROFILES.get(options.profile)
    if profile is None:
        known = ", ".join(sorted(PROFILES))
        raise ModelUnavailable(f"there is no encoder profile {options.profile!r}", f"use one of {known}")
    encoder: Encoder = resolve_name(profile.encoder)(options)
    return encoder
