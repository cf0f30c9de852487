"""From audio samples to transcripts and sound events: buffer, voice activity, Whisper, tagger."""
