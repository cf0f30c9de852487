"""A short name for everything in a configuration that changes what is decided."""

import hashlib
import json
from dataclasses import asdict

from daemon.config.schema import Config
from workers.aligners import aligner_id


def config_hash(config: Config) -> str:
    """Return 12 hexadecimal digits that change when a decision could: events, sampling, models, speech.

    URLs, secrets, ports, logs and timeouts do not count, nor does the order of cameras.
    """
    cameras = {
        spec.name: {
            "fps": spec.fps,
            "audio": spec.audio,
            "audio_track": spec.audio_track,
            "blur_faces": spec.blur_faces,
            "events": [asdict(event) for event in config.event_specs(spec.name)],
        }
        for spec in config.camera_specs()
    }
    decisive = {
        "cameras": cameras,
        "events": [asdict(event) for event in config.event_specs()],
        "models": config.models.model_dump(include={"profile", "model", "revision", "dtype", "quantize"}),
        "aligner": aligner_id(config.models.aligner_options()),
        "speech": config.speech.model_dump(),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]
