"""What a session is told to do, and how that is told back (``session.created``, ``.updated``)."""

from dataclasses import dataclass, replace

from ...media.live.live_messages import Listening, TurnDetection

TRANSCRIPTION, CONVERSATION = "transcription", "realtime"
"""The types of a session. In the second one can have texts spoken, too."""
COMMITTING_MODELS = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Whose clients find the ends of utterances themselves, and say nothing of turn detection."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A format of audio, as clients name it."""

    type: str
    rate: int
    codec: str
    """libav's name."""
    conversion: str
    """What the media workers call the conversion to it; empty: there is none."""

    @property
    def bytes_a_second(self) -> int:
        """How many bytes a second of it has."""
        return self.rate * (2 if self.type == "audio/pcm" else 1)

    def to_json(self) -> dict[str, object]:
        """Return it as clients read it: the rate of telephony is not told."""
        told: dict[str, object] = {"type": self.type}
        return told | ({"rate": self.rate} if self.type == "audio/pcm" else {})


PCM = AudioFormat("audio/pcm", 24_000, "pcm_s16le", "pcm")
FORMATS = (
    PCM,
    AudioFormat("audio/pcm", 16_000, "pcm_s16le", ""),
    AudioFormat("audio/pcm", 8_000, "pcm_s16le", ""),
    AudioFormat("audio/pcmu", 8_000, "pcm_mulaw", "pcmu"),
    AudioFormat("audio/pcma", 8_000, "pcm_alaw", "pcma"),
)
BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session is told to do."""

    type: str
    voice: str
    input: AudioFormat = PCM
    model: str = ""
    language: str | None = None
    """The code of the language that is spoken, or auto; None: the pipeline's own."""
    languages: tuple[str, ...] = ()
    """Those of several that may be spoken."""
    prompt: str = ""
    """Told back; the pipelines have no place for it."""
    turns: TurnDetection | None = None
    turn_type: str = ""
    """What the client calls its turn detection; empty: it said nothing, null included."""
    noise_reduction: str | None = None
    """Told back; recognisers of today want the noise left in."""
    output: AudioFormat = PCM
    speed: float = 1.0
    instructions: str = ""
    """Told back; they are for language models."""

    @classmethod
    def initial(cls, session_type: str, model: str, voice: str) -> "SessionConfig":
        """Return the configuration of a session that begins."""
        return cls(session_type, voice).with_model(model)

    def with_model(self, model: str) -> "SessionConfig":
        """Return the configuration with a model, by which clients say who finds turns."""
        if self.turn_type:
            return replace(self, model=model)
        commits = model.startswith(COMMITTING_MODELS)
        return replace(self, model=model, turns=None if commits else TurnDetection())

    @property
    def spoken_languages(self) -> tuple[str | None, ...]:
        """The languages that may be spoken; None is the pipeline's own."""
        return self.languages or (self.language,)

    @property
    def listening(self) -> Listening:
        """What comes on the connection, and how it is listened to."""
        return Listening(self.input.codec, self.input.rate, self.turns)

    def to_json(self) -> dict[str, object]:
        """Return the session as clients read it."""
        audio: dict[str, object] = {
            "input": {
                "format": self.input.to_json(),
                "transcription": self._transcription(),
                "noise_reduction": self._noise_reduction(),
                "turn_detection": self._turn_detection(),
            }
        }
        if self.type == TRANSCRIPTION:
            return {"type": self.type, "audio": audio, "include": None}
        audio["output"] = {
            "format": self.output.to_json(),
            "voice": self.voice,
            "speed": self.speed,
        }
        return {
            "type": self.type,
            "model": self.model,
            "output_modalities": ["audio"],
            "instructions": self.instructions,
            "tools": [],
            "tool_choice": "none",
            "audio": audio,
        }

    def to_beta_json(self) -> dict[str, object]:
        """Return a session for transcription as clients of the beta version read it."""
        names = {new: old for old, new in BETA_FORMATS.items()}
        return {
            "input_audio_format": names[self.input.type],
            "input_audio_transcription": self._transcription(),
            "turn_detection": self._turn_detection(),
            "input_audio_noise_reduction": self._noise_reduction(),
        }

    def _transcription(self) -> dict[str, object]:
        told: dict[str, object] = {"model": self.model, "language": self.language}
        if self.languages:
            told["languages"] = list(self.languages)
        return told | {"prompt": self.prompt}

    def _noise_reduction(self) -> dict[str, object] | None:
        return {"type": self.noise_reduction} if self.noise_reduction else None

    def _turn_detection(self) -> dict[str, object] | None:
        if self.turns is None:
            return None
        return {
            "type": self.turn_type or "server_vad",
            "threshold": self.turns.threshold,
            "prefix_padding_ms": self.turns.prefix_ms,
            "silence_duration_ms": self.turns.silence_ms,
        }
