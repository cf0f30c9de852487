"""What happens before the first frame: events that cannot happen are found, and what listens is built."""

from collections.abc import Sequence

import structlog

from workers.areas import FRAME, overlap
from workers.audio.analyser import AudioAnalyser
from workers.decisions.rules import RuleSet
from workers.errors import ModelUnavailable
from workers.services.clients import EncoderClient
from workers.types import CameraSpec, EventSpec, SourceInfo

log = structlog.get_logger()


def impossible_events(
    specs: Sequence[EventSpec],
    info: SourceInfo,
    encoder: EncoderClient,
    rule_set: RuleSet,
    transcribes: bool,
) -> tuple[str, ...]:
    """Return which events cannot happen in this stream as they are meant, and why."""
    warnings = list(encoder.query_warnings(specs, transcribes))
    for spec, query in zip(specs, rule_set.queries, strict=True):
        in_audio, in_frames = bool(query.prior[1:].any()), bool(query.prior[0])
        if in_audio and not in_frames and not info.has_audio:
            warnings.append(f"event {spec.name!r} is listened for, and there is no audio; turn on the camera's audio")
        if in_frames and not in_audio and not info.has_video:
            warnings.append(f"event {spec.name!r} is looked for, and there is no video; use a source with video")
    for spec, areas in zip(specs, rule_set.areas, strict=False):
        if areas and not overlap(areas, FRAME):
            why = "its zone lies beside the part of the frame that this profile sees"
            warnings.append(
                f"event {spec.name!r} cannot happen: {why}; move the zone, or use `models: {{profile: lite}}`"
            )
    return tuple(warnings)


def audio_analyser(
    camera: CameraSpec,
    info: SourceInfo,
    rule_set: RuleSet,
    transcribes: bool,
    before: AudioAnalyser | None = None,
) -> AudioAnalyser | None:
    """Return an analyser of the stream's audio where there is audio, a transcriber, and an event that needs it.

    ``before``: the analyser of this stream so far, if it has one.
    """
    speech = any(q.prior[1] for q in rule_set.queries)
    sounds = any(q.prior[2] and q.sound.any() for q in rule_set.queries)
    if not ((speech or sounds) and info.has_audio and transcribes):
        return None
    try:
        return before.with_needs(speech, sounds) if before else AudioAnalyser(camera.priority, speech, sounds)
    except ModelUnavailable as error:
        log.warning("sound is not analysed", camera=camera.name, code=error.code, error=str(error))
        return None
