"""The voice that a client asks for."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...pipelines.voices import Voices


def requested_voice(asked: object, voices: Voices) -> str:
    """Return the voice that is asked for, by its speaker, its name or its language.

    A speaker is a voice within a voice, and here a voice itself.

    Raises:
        web.HTTPBadRequest: there is none such.
    """
    if not isinstance(asked, dict | str | None):
        raise _no_voice("no voice in such a form", voices)
    wanted: Mapping[str, Any] = {"name": asked} if isinstance(asked, str) else asked or {}
    for kind in ("speaker", "name"):
        if (name := wanted.get(kind)) is not None:
            if isinstance(name, str) and (voice := voices.named(name)) is not None:
                return voice
            raise _no_voice(f"no voice of that {kind}", voices)
    if (language := wanted.get("language")) is None:
        return voices.default
    code = str(language).replace("_", "-").partition("-")[0].lower()
    for voice in voices.params:
        if voices.language(voice) == code:
            return voice
    raise _no_voice("no voice of that language", voices)


def _no_voice(lack: str, voices: Voices) -> web.HTTPException:
    return web.HTTPBadRequest(text=f"there is {lack}; there are {voices.listed}\n")
