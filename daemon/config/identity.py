"""A hash of all settings that change decisions."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from daemon.config.over_time import rules_of_cameras, rules_of_files
from daemon.config.schema import Config
from workers.services.aligner_options import aligner_id
from workers.types import EventSpec


def config_hash(config: Config) -> str:
    """Return 12 hexadecimal digits of all settings that change decisions: events, sampling, models, speech.

    URLs, secrets, ports, logs and timeouts have no influence, nor has the order of cameras.
    """
    cameras = {
        spec.name: {
            "fps": spec.fps,
            "audio": spec.audio,
            "audio_track": spec.audio_track,
            "blur_faces": spec.blur_faces,
            "masks": spec.masks,
            "events": [_settings(event) for event in config.event_specs(spec.name)],
        }
        for spec in config.camera_specs()
    }
    decisive: dict[str, Any] = {
        "cameras": cameras,
        "events": [_settings(event) for event in config.event_specs()],
        "models": config.models.model_dump(include={"profile", "model", "revision", "dtype", "quantize"}),
        "aligner": aligner_id(config.models.aligner_options()),
        "speech": config.speech.model_dump(),
    }
    if config.over_time:
        rules = (*rules_of_cameras(config), *rules_of_files(config, ""))
        decisive["over_time"] = [(rule.name, rule.camera, rule.version) for rule in rules]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


def _settings(spec: EventSpec) -> dict[str, Any]:
    """Return all settings of an event; without a verifier those of versions that had none."""
    return {name: value for name, value in asdict(spec).items() if value or name not in ("verify", "keep_frames")}
