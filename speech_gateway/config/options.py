"""The settings, each defined once: for the command line, the environment, the file and the help."""

from importlib.util import find_spec
from pathlib import Path

from .. import logs, pipelines
from ..embedded.launcher import missing_parts
from ..embedded.model_folder import USUAL_NAME
from ..pipelines import Pipeline, voices
from ..pipelines.voices import Voices
from ..upstream.bearer_token import BearerToken
from . import parsers, plugin_loader
from .addresses import UpstreamAddress
from .client_keys import ClientKeys
from .option_type import Option


def _pipeline(text: str) -> Pipeline:
    return pipelines.load(Path(text))


def _openai(text: str) -> bool:
    wanted = parsers.switch(text)
    if wanted and not find_spec("av"):
        raise ValueError("needs av: install speech-gateway[openai]")
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
    ),
    Option(
        "token-file",
        "SKIT_TOKEN_FILE",
        _token_file,
        "file that holds the token; read again when changed",
        example="/etc/speech-gateway/token",
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
    ),
    Option(
        "stt-pipeline",
        "GATEWAY_STT_PIPELINE",
        _pipeline,
        "file with a stt pipeline of your own (default: the packaged one)",
        example="/etc/speech-gateway/stt.yml",
    ),
    Option(
        "tts-pipeline",
        "GATEWAY_TTS_PIPELINE",
        _pipeline,
        "file with a tts pipeline of your own (default: the packaged one)",
        example="/etc/speech-gateway/tts.yml",
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
    ),
    Option(
        "max-upload-bytes",
        "GATEWAY_MAX_UPLOAD_BYTES",
        parsers.whole(1),
        "largest file that OpenAI's clients may have transcribed, in bytes",
        "26214400",
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
    ),
    Option(
        "client-share",
        "GATEWAY_CLIENT_SHARE",
        parsers.share,
        "part of the slots and of the queue that one client may have, by key or address; 1 is all",
        "1",
    ),
    Option(
        "log-format", "GATEWAY_LOG_FORMAT", parsers.one_of(*logs.FORMATS), "text or json", "text"
    ),
    Option(
        "log-level",
        "GATEWAY_LOG_LEVEL",
        parsers.one_of(*logs.LEVELS),
        ", ".join(logs.LEVELS),
        "info",
    ),
)
