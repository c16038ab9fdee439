"""The settings, checked, as the rest of the gateway reads them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from .. import pipelines, standard_streams
from ..embedded.model_folder import USUAL_NAME, check_folder
from ..middlewares import Plugin
from ..pipelines import Pipeline
from ..pipelines.voices import Voices
from ..startup_error import WRONG_SETTINGS, StartupError
from ..upstream.bearer_token import BearerToken
from .addresses import ListenAddress, Network, UpstreamAddress
from .bounded_files import exists
from .client_keys import ClientKeys
from .options import OPTIONS
from .printed_settings import printed
from .sources import Given, read_sources

TOKEN_CREDENTIAL = "speech-gateway.token"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Times are in seconds."""

    listen: ListenAddress
    skit_url: UpstreamAddress | None
    """None: the bundled engine."""
    token: BearerToken | None
    max_concurrency: int
    max_body_bytes: int
    max_tts_text_size: int
    pipelines: Mapping[str, Pipeline]
    """By the service's name."""
    engine_model: Path | None
    """The folder of the model that the bundled engine hears with; None: the packaged one."""
    max_connections: int
    max_queue: int
    queue_timeout: float
    client_timeout: float
    min_upload_rate: int
    """Bytes a second; 0 is no limit."""
    upstream_timeout: float
    first_byte_timeout: float
    drain_timeout: float
    metrics_listen: ListenAddress | None
    plugins: tuple[Plugin, ...]
    openai: bool
    console: bool
    wyoming_listen: ListenAddress | None
    wyoming_announce: bool
    max_speech_input: int
    """Characters, for OpenAI's clients."""
    speech_by_get: bool
    voices: Voices | None
    """None: the packaged ones."""
    max_upload_bytes: int
    max_sockets: int
    max_session: float
    trusted_hops: tuple[tuple[Network, ...], ...] | None
    client_keys: ClientKeys | None
    client_share: float
    allow_origins: frozenset[str]
    """In their canonical form, or ``*``."""
    log_format: str
    log_level: str


SETTINGS = web.AppKey("settings", Settings)


def load(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Settings, bool]:
    """Return the settings, and whether they were only to be checked.

    Raises:
        StartupError: with all problems at once.
        SystemExit: after ``--print-config`` was answered.
    """
    sources = read_sources(OPTIONS, argv, environ)
    given = _with_credential(sources.given, environ)
    parsed, problems = _parse(given)
    if len(_tokens(sources.given)) > 1:
        problems.append(
            f"token (from {sources.given['token'].origin}) and token-file (from "
            f"{sources.given['token-file'].origin}) are both given; only one of them may be"
        )
    problems += _console_alone(parsed, given)
    problems += _announced_alone(parsed, given)
    engine_model, wrong = _engine_model(parsed, given)
    problems += wrong
    if sources.problems or problems:
        raise StartupError(*sources.problems, *problems, exit_status=WRONG_SETTINGS)
    if sources.print_only:
        standard_streams.say(sys.stdout, printed(OPTIONS, given))
        raise SystemExit(0)
    return _settings(parsed, engine_model), sources.check_only


def warnings(settings: Settings) -> list[str]:
    """Return warnings for people, a line each: what is allowed but probably a mistake."""
    return [
        f"{name}-pipeline {warning}"
        for name, pipeline in settings.pipelines.items()
        for warning in pipeline.warnings()
    ]


def _console_alone(parsed: Mapping[str, list[Any]], given: Mapping[str, Given]) -> list[str]:
    """Return what is wrong where the console is on without the API that it uses."""
    console, openai = parsed.get("console", [False])[-1], parsed.get("openai", [True])[-1]
    if not console or openai:
        return []
    return [f"console (from {given['console'].origin}) needs openai as well, which is off"]


def _announced_alone(parsed: Mapping[str, list[Any]], given: Mapping[str, Given]) -> list[str]:
    """Return what is wrong where something is announced that others cannot reach."""
    if not parsed.get("wyoming-announce", [False])[-1] or "wyoming-listen" not in parsed:
        return []
    address = (parsed["wyoming-listen"] or [None])[-1]
    if address is not None and not address.is_loopback:
        return []
    origin = given["wyoming-announce"].origin
    return [f"wyoming-announce (from {origin}) needs a wyoming-listen that others can reach"]


def _engine_model(
    parsed: Mapping[str, list[Any]], given: Mapping[str, Given]
) -> tuple[Path | None, list[str]]:
    """Return the model that the bundled engine hears with, if it is used, and what is wrong."""
    if parsed.get("skit-url") != [None]:
        return None, []
    own = parsed.get("stt-pipeline")
    name = "stt-pipeline" if own else "stt-model"
    named = own[-1].param("model_path") if own else parsed.get(name, [None])[-1]
    if named in (None, "", USUAL_NAME):
        return None, []
    folder = Path(str(named))
    try:
        check_folder(folder)
    except ValueError as error:
        origin = given[name].origin
        return None, [f"{name} (from {origin}) {error}; the bundled engine runs no other"]
    return folder, []


def _tokens(given: Mapping[str, Given]) -> list[str]:
    """Return which of the settings for the token are given."""
    return [name for name in ("token", "token-file") if name in given and given[name].texts]


def _with_credential(given: Mapping[str, Given], environ: Mapping[str, str]) -> Mapping[str, Given]:
    """Use a credential (systemd.exec(5)) as the token file where no token is given otherwise."""
    path = Path(environ.get("CREDENTIALS_DIRECTORY", ""), TOKEN_CREDENTIAL)
    if _tokens(given) or not path.is_absolute() or not exists(path):
        return given
    return {**given, "token-file": Given((str(path),), f"the credential {TOKEN_CREDENTIAL}")}


def _parse(all_given: Mapping[str, Given]) -> tuple[dict[str, list[Any]], list[str]]:
    """Return each option's parsed values, and the problems found."""
    parsed: dict[str, list[Any]] = {}
    problems = []
    for option in OPTIONS:
        given = all_given.get(option.name)
        texts = given.texts if given else ()
        if not texts and option.default is not None:
            texts = (option.default,)
        try:
            parsed[option.name] = [option.parse(text) for text in texts]
        except ValueError as error:
            origin = given.origin if given else "the default"
            problems.append(f"{option.name} (from {origin}) {error}")
    return parsed, problems


def _settings(parsed: Mapping[str, list[Any]], engine_model: Path | None) -> Settings:
    single: dict[str, Any] = {name: found[-1] if found else None for name, found in parsed.items()}
    take: Callable[[str], Any] = single.pop
    own_stt, model = take("stt-pipeline"), take("stt-model")
    token, token_from_file = take("token"), take("token-file")
    take("plugin")
    take("allow-origin")
    return Settings(
        token=token or token_from_file,
        pipelines={
            "stt": own_stt or pipelines.packaged("stt", model_path=model),
            "tts": take("tts-pipeline") or pipelines.packaged("tts"),
        },
        engine_model=engine_model,
        plugins=tuple(plugin for found in parsed["plugin"] for plugin in found),
        allow_origins=frozenset().union(*parsed["allow-origin"]),
        **{name.replace("-", "_"): value for name, value in single.items()},
    )
