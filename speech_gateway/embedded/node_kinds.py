"""The kinds of nodes that this engine has, and the parameters that each takes.

They are told as StreamKit tells its own: ``GET /api/v1/schema/nodes``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..standard_streams import printable
from .model_folder import USUAL_NAME
from .param_schema import Schema, expected_instead, param
from .speaking import voice_names

SPEAKER = "plugin::native::kokoro"
TRANSCRIBER = "plugin::native::whisper"
CHUNKER = "core::text_chunker"
SPEECH_OUT = "audio::opus::encoder"
SPEECH_IN = "audio::opus::decoder"

LONGEST_KIND = 100
BINARY, TEXT, OPUS, SAMPLES, TRANSCRIPT = "Binary", "Text", "OpusAudio", "RawAudio", "Transcription"


@dataclass(frozen=True, slots=True)
class NodeKind:
    """One kind of node."""

    kind: str
    description: str
    takes: str | None
    """The type of what comes in, None at the beginning of a pipeline."""
    gives: str | None
    params: Mapping[str, Schema] = field(default_factory=dict)
    categories: Sequence[str] = ()
    paths: Mapping[str, Collection[Path]] = field(default_factory=dict)
    """By parameter: the paths that it may be, which nobody is told."""

    def problems(self, given: Mapping[str, Any]) -> Iterator[str]:
        """Yield what is wrong with given parameters, for people."""
        for name, value in given.items():
            schema = self.params.get(name)
            if schema is not None and (expected := expected_instead(value, schema)):
                yield f"{name} must be {expected}"
            elif name in self.paths and Path(value) not in self.paths[name]:
                yield f"{name} must be what the engine was started with (--stt-model)"

    def defaults(self) -> dict[str, Any]:
        """Return the parameters that have a default."""
        return {name: s["default"] for name, s in self.params.items() if "default" in s}

    def definition(self) -> dict[str, Any]:
        """Return the node as StreamKit describes nodes."""
        pins = {"cardinality": "One"}
        return {
            "kind": self.kind,
            "description": self.description,
            "param_schema": {"type": "object", "properties": dict(self.params)},
            "inputs": [{"name": "in", "accepts_types": [self.takes], **pins}] if self.takes else [],
            "outputs": [{"name": "out", "produces_type": self.gives, **pins}] if self.gives else [],
            "categories": list(self.categories),
            "bidirectional": False,
        }


NodeKinds = Mapping[str, NodeKind]


def node_kinds(
    languages: Sequence[str], *, translates: bool, model: Path | None = None
) -> NodeKinds:
    """Return all kinds by name.

    Args:
        languages: the languages that are understood, by their codes.
        translates: whether speech can be translated into English.
        model: the folder of the model that there is.
    """
    tasks = ["transcribe", "translate"] if translates else ["transcribe"]
    models = {Path(USUAL_NAME), Path(), *([model] if model else [])}
    kinds = (*_PLUMBING, _speaker(), _transcriber([*languages, "auto"], tasks, models))
    return {kind.kind: kind for kind in kinds}


def unknown(kind: str) -> str:
    """Return what is said of a kind that there is not."""
    return f"Unknown node kind '{printable(kind)[:LONGEST_KIND]}'"


def _speaker() -> NodeKind:
    return NodeKind(
        SPEAKER,
        "Text to speech: the natural voice Heart for English, espeak-ng for other languages.",
        TEXT,
        SAMPLES,
        {
            "voice": param(
                "string",
                "Who speaks; the default follows the text's language",
                None,
                enum=list(voice_names.voice_names()),
            ),
            "speaker_id": param(
                "integer",
                "0 is the default voice, others are of espeak-ng",
                0,
                minimum=0,
                maximum=1_000_000,
            ),
            "speed": param("number", "1.0 is the usual speed", 1.0, minimum=0.25, maximum=4.0),
            "model_dir": param("string", "Taken, and not needed: the voices are built in", None),
            "num_threads": param("integer", "Taken, and not needed", None, minimum=0, maximum=64),
        },
        ("ml", "speech", "tts"),
    )


def _transcriber(
    languages: Sequence[str], tasks: Sequence[str], models: Collection[Path]
) -> NodeKind:
    return NodeKind(
        TRANSCRIBER,
        "Speech to text by Whisper, utterance by utterance.",
        SAMPLES,
        TRANSCRIPT,
        {
            "language": param("string", "Of the speech; auto detects it", "en", enum=languages),
            "task": param("string", "What is made of the speech", "transcribe", enum=tasks),
            "word_timestamps": param("boolean", "Whether words are told with times", False),
            "vad_threshold": param(
                "number",
                "Probability from which on a sound is speech",
                0.5,
                minimum=0.0,
                maximum=1.0,
            ),
            "min_silence_duration_ms": param(
                "integer", "Silence that ends an utterance", 700, minimum=100, maximum=5000
            ),
            "max_segment_duration_secs": param(
                "number",
                "Longest utterance; the model hears no more than 24 s at once",
                30.0,
                minimum=1.0,
                maximum=600.0,
            ),
            "model_path": param(
                "string",
                "The model; the one that the engine was started with, or what the gateway's "
                "pipeline has for any",
                None,
            ),
            "vad_model_path": param("string", "Taken, and not needed: it is built in", None),
        },
        ("ml", "speech", "transcription"),
        {"model_path": models},
    )


def _resampler(kind: str) -> NodeKind:
    whole = param("integer", "Samples", None, minimum=0)
    params = ("chunk_frames", "output_frame_size", "target_sample_rate")
    return NodeKind(kind, "Changes the rate.", SAMPLES, SAMPLES, dict.fromkeys(params, whole))


_PLUMBING = (
    NodeKind(
        "streamkit::http_input",
        "The request's media.",
        None,
        BINARY,
        {"field": param("string", "The form's field", None)},
        ("transport", "oneshot"),
    ),
    NodeKind(
        "streamkit::http_output",
        "The answer's body.",
        BINARY,
        None,
        {"content_type": param("string", "The answer's type", None)},
        ("transport", "oneshot"),
    ),
    NodeKind(
        CHUNKER,
        "Cuts a text into sentences.",
        BINARY,
        TEXT,
        {
            "min_length": param(
                "integer",
                "Characters of a sentence that is spoken by itself",
                10,
                minimum=0,
                maximum=100_000,
            )
        },
    ),
    NodeKind(
        "core::json_serialize",
        "Writes JSON.",
        TRANSCRIPT,
        BINARY,
        {
            "pretty": param("boolean", "On several lines", False),
            "newline_delimited": param("boolean", "A line for each object", False),
        },
    ),
    _resampler("audio::resampler"),
    NodeKind(SPEECH_OUT, "Encodes Opus.", SAMPLES, OPUS),
    NodeKind(SPEECH_IN, "Decodes Opus.", OPUS, SAMPLES),
    NodeKind(
        "containers::ogg::muxer",
        "Writes Ogg.",
        OPUS,
        BINARY,
        {
            "channels": param("integer", "Channels", 1, minimum=1, maximum=2),
            "codec": param("string", "The codec", "opus", enum=["opus"]),
            "chunk_size": param("integer", "Bytes written together", None, minimum=0),
        },
    ),
    NodeKind("containers::ogg::demuxer", "Reads Ogg.", BINARY, OPUS),
)
