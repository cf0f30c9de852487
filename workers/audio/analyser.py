"""Analyse the audio of one camera: voice activity for the transcriber, and sound events."""

from dataclasses import dataclass

from workers.audio.sound_events import SoundTagger
from workers.audio.vad import VoiceSegmenter
from workers.types import AudioChunk, SoundTags, VoicedChunk


@dataclass(frozen=True, slots=True)
class AnalysedAudio:
    """Result for one audio chunk. ``settled_s``: no later voiced chunk starts before this stream second."""

    voiced: list[VoicedChunk]
    tags: SoundTags | None
    settled_s: float


class AudioAnalyser:
    """Voice activity detection, sound events, or both, of one camera."""

    def __init__(self, priority: int, speech: bool = True, sounds: bool = True) -> None:
        self._priority = priority
        self._voices = VoiceSegmenter(priority) if speech else None
        self._tagger = SoundTagger() if sounds else None

    @property
    def tags(self) -> bool:
        """Whether it finds sound events."""
        return self._tagger is not None

    @property
    def transcribes(self) -> bool:
        """Whether it finds what is to be transcribed."""
        return self._voices is not None

    def with_needs(self, speech: bool, sounds: bool) -> "AudioAnalyser":
        """Return an analyser of the same stream for other needs: a part that stays goes on with what it has heard."""
        other = AudioAnalyser(self._priority, speech and self._voices is None, sounds and self._tagger is None)
        if speech and self._voices is not None:
            other._voices = self._voices
        if sounds and self._tagger is not None:
            other._tagger = self._tagger
        return other

    def add(self, chunk: AudioChunk) -> AnalysedAudio:
        """Analyse the next chunk."""
        voiced = self._voices.push(chunk) if self._voices else []
        tags = self._tagger.push(chunk) if self._tagger else None
        return AnalysedAudio(voiced, tags, self._voices.watermark_s if self._voices else chunk.end_s)

    def flush(self) -> AnalysedAudio:
        """Return the rest of the results at the end of a segment."""
        tags = self._tagger.flush() if self._tagger else None
        return AnalysedAudio(self._voices.flush() if self._voices else [], tags, float("inf"))
