"""What a stream does with sound: find voices for the transcriber, tag the rest."""

from dataclasses import dataclass

from workers.sound import SoundTagger, available
from workers.types import AudioChunk, SoundTags, VoicedChunk
from workers.voice import VoiceSegmenter


@dataclass(frozen=True, slots=True)
class Heard:
    """What one chunk of sound gave. ``settled_s``: no later voiced chunk starts before this stream second."""

    voiced: list[VoicedChunk]
    tags: SoundTags | None
    settled_s: float


class Listener:
    """Voice activity detection and sound tags of one camera."""

    def __init__(self, priority: int) -> None:
        self._voices = VoiceSegmenter(priority)
        self._tagger = SoundTagger() if available() else None

    def hear(self, chunk: AudioChunk) -> Heard:
        """Take the next sound."""
        voiced = self._voices.push(chunk)
        tags = self._tagger.push(chunk) if self._tagger else None
        return Heard(voiced, tags, self._voices.watermark_s)

    def flush(self) -> Heard:
        """Return what is left of the sound so far: the epoch has ended."""
        tags = self._tagger.flush() if self._tagger else None
        return Heard(self._voices.flush(), tags, float("inf"))
