"""The training file of ``watchword train``. Its errors are reported like those of a configuration."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from alignment.baselines.registry import MethodOptions
from alignment.options import OptionError
from alignment.towers.backbones import TowerOptions
from alignment.training.distilling import DistilOptions
from alignment.training.early_stopping import Monitor
from alignment.training.examples.augment import Augmenter
from alignment.training.losses import Objective
from alignment.training.optimisers import OptimiserOptions
from daemon.config.base import Section
from daemon.config.document import read_document
from daemon.config.editor_schema import nearest_key
from daemon.config.errors import ConfigError
from daemon.config.loader import findings
from daemon.config.sections.limits import LimitsConfig
from daemon.config.sections.services import ModelsConfig, SpeechConfig
from daemon.config.types import AnyPath


def _told(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Turn an ``OptionError`` into a validation error, which has a place in the file."""
    try:
        return validate(value)
    except OptionError as e:
        raise ValueError(str(e)) from e


_Told = WrapValidator(_told)


def _unread(value: Any) -> Any:
    """Return ``off`` for False, which is what YAML reads for an unquoted ``off``."""
    return "off" if value is False else value


def _image_augmenter(names: tuple[str, ...]) -> object:
    from alignment.training.examples.image_augment import (
        ImageAugmenter,  # imports torchvision, two seconds that few runs need
    )

    return ImageAugmenter(names, 32)


_OF_ALIGNERS = {"method", "losses", "augmentations", "distil", "models", "speech", "clip_seconds"}
_BUILDERS: Mapping[str, Callable[[Any], object]] = {
    "losses": Objective,
    "augmentations": Augmenter,
    "image_augmentations": _image_augmenter,
}


class DistilConfig(Section):
    """Distillation: learn from the outputs of a larger aligner as well as from the labels."""

    teacher: Literal["shipped"] | AnyPath = Field(
        default="shipped",
        union_mode="left_to_right",
        description="Checkpoint of the teacher; `shipped`: the checkpoint that ships with Watchword.",
    )
    soft: float = Field(
        default=0.7, ge=0, le=1, description="Weight of the teacher in the loss; the labels have the rest."
    )
    temperature: float = Field(
        default=2.0, gt=0, le=100, description="Above 1: uncertain outputs of the teacher count more."
    )

    def options(self) -> DistilOptions:
        """Return the options of the distiller."""
        return DistilOptions(self.soft, self.temperature)


class TrainConfig(Section):
    """Training options; each has a default."""

    method: Annotated[MethodOptions, _Told] = Field(
        default=MethodOptions(), description="Name of the method, and its size."
    )
    towers: Annotated[TowerOptions, _Told] | None = Field(
        default=None, description="Train an encoder on videos instead of an aligner: its backbones."
    )
    losses: dict[str, float] = Field(
        default={"plain_cross_entropy": 1.0, "span": 0.2, "contrastive": 0.05},
        description="Weight of each loss, by name.",
    )
    distil: DistilConfig | None = Field(default=None, description="Learn from a larger aligner instead of `losses`.")
    optimiser: Annotated[OptimiserOptions, _Told] = Field(
        default=OptimiserOptions(lr=2e-3, weight_decay=0.02, warmup_steps=50),
        description="Optimiser and learning-rate schedule.",
    )
    augmentations: dict[str, float] = Field(default={}, description="Probability of each augmentation, by name.")
    image_augmentations: tuple[str, ...] = Field(default=(), description="Augmentations of frames for towers, by name.")
    freeze: tuple[str, ...] = Field(default=(), description="Parts of the method whose weights do not change.")
    steps: int = Field(default=1500, ge=1, le=10_000_000, description="Number of batches.")
    epochs: int | None = Field(
        default=None, ge=1, le=100_000, description="Number of passes over the annotations, instead of steps."
    )
    batch_size: int = Field(default=32, ge=1, le=65_536, description="Examples per step, over all workers.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="The same seed gives the same weights on a CPU.")
    eval_every: int = Field(default=250, ge=1, description="Steps between two validations; the state is saved at each.")
    patience: int = Field(
        default=5, ge=0, description="Training stops after this many validations without improvement; 0: never."
    )
    monitor: Monitor = Field(default="f1", description="The validation metric for early stopping.")
    validation_share: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the videos held out for validation if no validation annotations are given.",
    )
    amp: Annotated[Literal["off", "bf16", "fp16"], BeforeValidator(_unread)] = Field(
        default="off", description="Mixed precision."
    )
    device: str = Field(default="cpu", pattern=r"^(cpu|mps|cuda(:\d{1,2})?)$", description="cpu, cuda, cuda:1 or mps.")
    models: ModelsConfig = Field(default=ModelsConfig(), description="Encoder, as in a configuration.")
    speech: SpeechConfig = Field(default=SpeechConfig(), description="Speech recognition, as in a configuration.")
    limits: LimitsConfig = Field(default=LimitsConfig(), description="Limits for videos, as in a configuration.")
    clip_seconds: float = Field(default=2.0, gt=0, le=60, description="Length of a clip in feature files.")

    @field_validator("losses", "augmentations", "image_augmentations")
    @classmethod
    def _known(cls, value: Any, info: Any) -> Any:
        try:
            _BUILDERS[info.field_name](value)
        except OptionError as e:
            raise ValueError(str(e)) from e
        return value

    @model_validator(mode="after")
    def _of_one_kind(self) -> "TrainConfig":
        """Reject keys that have no effect."""
        unread = _OF_ALIGNERS if self.towers else {"image_augmentations"}
        if idle := sorted(unread & self.model_fields_set):
            kind = "not used for towers" if self.towers else "only used for towers"
            raise ValueError(f"{', '.join(idle)}: {kind}")
        if self.distil and "losses" in self.model_fields_set:
            raise ValueError("losses: not used with distil, which has its own loss")
        return self


def _beside(config: TrainConfig, folder: Path) -> TrainConfig:
    """Return the configuration with the path of its weights relative to the file's folder."""
    if config.towers is None or config.towers.weights is None:
        return config
    weights = folder / config.towers.weights.expanduser()
    return config.model_copy(update={"towers": replace(config.towers, weights=weights)})


def load_training(path: Path | None) -> TrainConfig:
    """Read a training file (None: defaults); raise ``ConfigError`` with all problems."""
    if path is None:
        return TrainConfig()
    document = read_document(path, os.environ, "leave out --config to train with the defaults")
    problems, config = list(document.problems), TrainConfig()
    try:
        config = _beside(
            TrainConfig.model_validate(document.data, context={"folder": document.folder}), document.folder
        )
    except ValidationError as e:
        near = partial(nearest_key, schema=TrainConfig.model_json_schema())
        found = [f for f in findings(document.data, e, near) if f[0] not in document.rejected]
        problems += [document.problem(*finding) for finding in dict.fromkeys(found)]
    if problems:
        raise ConfigError(tuple(sorted(problems, key=lambda p: (p.line, p.column))))
    return config
