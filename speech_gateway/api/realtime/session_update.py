"""Reads ``session.update``: what a client asks of its session.

As OpenAI has it, what an update leaves out keeps its value, and null switches it off. The flat
names of the API's beta version are taken as well.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import FieldError
from ...media.live.live_messages import TurnDetection
from ...pipelines.voices import Voices
from ..languages import AUTO, code_of
from ..openai.speech_request import speed_of, voice_of
from .session_config import (
    BETA_FORMATS,
    CONVERSATION,
    FORMATS,
    TRANSCRIPTION,
    AudioFormat,
    SessionConfig,
)

MAX_SILENCE_MS = 10_000
MAX_PREFIX_MS = 5_000
MAX_CHARACTERS = 32 * 1024
"""Of a text that is only told back, such as instructions for a language model."""
MAX_LANGUAGES = 100
"""As many as Whisper knows."""
_INPUT, _OUTPUT = "session.audio.input", "session.audio.output"


def updated(config: SessionConfig, session: object, voices: Voices) -> SessionConfig:
    """Return config with what session asks for; raises FieldError for what is wrong in it."""
    fields = _without_flat_names(_object(session, "session"))
    session_type = fields.get("type", config.type)
    if session_type not in (TRANSCRIPTION, CONVERSATION):
        raise FieldError("session.type", f"must be {TRANSCRIPTION} or {CONVERSATION}")
    audio = _object(fields.get("audio"), "session.audio")
    config = replace(config, type=session_type)
    config = _with_input(config, _object(audio.get("input"), _INPUT))
    config = with_output(config, _object(audio.get("output"), _OUTPUT), voices)
    if "model" in fields and session_type == CONVERSATION:
        config = config.with_model(_string(fields["model"], "session.model"))
    if "instructions" in fields:
        text = _string(fields["instructions"], "session.instructions")
        config = replace(config, instructions=text)
    return config


def _without_flat_names(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a session with the beta version's names in their places of today."""
    renamed = {
        "input_audio_format": "format",
        "input_audio_transcription": "transcription",
        "input_audio_noise_reduction": "noise_reduction",
        "turn_detection": "turn_detection",
    }
    flat = {new: fields[old] for old, new in renamed.items() if old in fields}
    if not flat:
        return fields
    if isinstance(named := flat.get("format"), str):
        flat["format"] = {"type": BETA_FORMATS.get(named, named)}
    return {**fields, "audio": {"input": flat}}


def _with_input(config: SessionConfig, fields: Mapping[str, Any]) -> SessionConfig:
    if fields.get("format") is not None:
        config = replace(config, input=_format(fields["format"], f"{_INPUT}.format"))
    if fields.get("transcription") is not None:
        where = f"{_INPUT}.transcription"
        config = _with_transcription(config, _object(fields["transcription"], where), where)
    if "turn_detection" in fields:
        config = _with_turns(config, fields["turn_detection"], f"{_INPUT}.turn_detection")
    if "noise_reduction" in fields:
        where = f"{_INPUT}.noise_reduction"
        kind = _object(fields["noise_reduction"], where).get("type")
        if kind not in (None, "near_field", "far_field"):
            raise FieldError(f"{where}.type", "must be near_field or far_field")
        config = replace(config, noise_reduction=kind)
    return config


def with_output(config: SessionConfig, fields: Mapping[str, Any], voices: Voices) -> SessionConfig:
    """Return config with how texts are to be spoken; raises FieldError for what is wrong."""
    if fields.get("format") is not None:
        wanted = _format(fields["format"], f"{_OUTPUT}.format")
        if not wanted.conversion:
            raise FieldError(f"{_OUTPUT}.format", "audio/pcm must have a rate of 24000 here")
        config = replace(config, output=wanted)
    if fields.get("voice") is not None:
        config = replace(config, voice=voice_of(fields["voice"], voices))
    if fields.get("speed") is not None:
        config = replace(config, speed=speed_of(fields["speed"], voices))
    return config


def _with_transcription(
    config: SessionConfig, fields: Mapping[str, Any], where: str
) -> SessionConfig:
    if fields.get("model") is not None:
        config = config.with_model(_string(fields["model"], f"{where}.model"))
    if "language" in fields:
        code = fields["language"]
        language = _language(code, f"{where}.language") if code not in (None, "") else None
        config = replace(config, language=language, languages=())
    if fields.get("languages") is not None:
        listed = fields["languages"]
        if not isinstance(listed, list) or len(listed) > MAX_LANGUAGES:
            raise FieldError(
                f"{where}.languages", f"must be a list of at most {MAX_LANGUAGES} languages"
            )
        codes = tuple(_language(code, f"{where}.languages") for code in listed)
        language = codes[0] if len(codes) == 1 else None
        config = replace(config, language=language, languages=codes)
    if "prompt" in fields:
        config = replace(config, prompt=_string(fields["prompt"], f"{where}.prompt"))
    return config


def _with_turns(config: SessionConfig, turns: object, where: str) -> SessionConfig:
    if turns is None:
        return replace(config, turns=None, turn_type="none")
    fields = _object(turns, where)
    kind = fields.get("type", "server_vad")
    if kind not in ("server_vad", "semantic_vad"):
        raise FieldError(f"{where}.type", "must be server_vad or semantic_vad")
    before = config.turns or TurnDetection()
    threshold = _number(fields, "threshold", before.threshold, 1.0, where)
    prefix = _number(fields, "prefix_padding_ms", before.prefix_ms, MAX_PREFIX_MS, where)
    silence = _number(fields, "silence_duration_ms", before.silence_ms, MAX_SILENCE_MS, where)
    found = TurnDetection(threshold, int(prefix), int(silence))
    return replace(config, turns=found, turn_type=kind)


def _format(value: object, where: str) -> AudioFormat:
    fields = _object(value, where)
    for known in FORMATS:
        if known.type == fields.get("type") and fields.get("rate") in (None, known.rate):
            return known
    raise FieldError(
        where, "must be audio/pcm with a rate of 24000, 16000 or 8000, audio/pcmu or audio/pcma"
    )


def _language(value: object, where: str) -> str:
    if isinstance(value, str) and (code := code_of(value)) is not None:
        return code
    raise FieldError(where, f"must be a code of ISO 639 like en, a name, or {AUTO}")


def _number(
    fields: Mapping[str, Any], name: str, otherwise: float, most: float, where: str
) -> float:
    value = fields.get(name)
    if value is None:
        return otherwise
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
        return float(value)
    raise FieldError(f"{where}.{name}", f"must be a number from 0 to {most:g}")


def _object(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise FieldError(where, "must be a JSON object")


def _string(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FieldError(where, "must be a string")
    if len(value) > MAX_CHARACTERS:
        raise FieldError(where, f"is too long; at most {MAX_CHARACTERS} characters are taken")
    return value
