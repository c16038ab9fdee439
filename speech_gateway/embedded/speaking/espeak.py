"""espeak-ng, called as a library: a robot's voice for nearly every language."""

import ctypes
import re
from pathlib import Path

import espeakng_loader

from .samples import Samples, resampled

SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS of speak_lib.h: samples come by callback
CHARS_UTF8 = 1
RATE_PARAMETER = 1
WORDS_PER_MINUTE = 175
SLOWEST, FASTEST = 80, 450

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""One of them begins a command of espeak-ng's, which would last into other clients' texts."""

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class EspeakError(Exception):
    """espeak-ng reported an error."""


class Espeak:
    """espeak-ng, of which a process can have one instance, for one thread."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._samples = bytearray()
        self._callback = _CALLBACK(self._take)  # kept: the library holds no reference
        self.data = Path(espeakng_loader.get_data_path())
        """The folder that it reads voices and dictionaries from."""
        path = str(self.data).encode()
        self._rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, path, 0)
        if self._rate <= 0:
            raise EspeakError("espeak-ng does not start")
        self._library.espeak_SetSynthCallback(self._callback)
        self._choose("en-us")  # the first time, it looks through all that there are

    def speak(self, text: str, speed: float, voice: str) -> Samples:
        """Return text as samples at RATE; voice is a language, and perhaps a variant of it."""
        rate = min(max(round(WORDS_PER_MINUTE * speed), SLOWEST), FASTEST)
        data = _CONTROLS.sub(" ", text).encode()
        self._samples.clear()
        self._choose(voice)
        self._library.espeak_SetParameter(RATE_PARAMETER, rate, 0)
        failed = self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, CHARS_UTF8, None, None)
        if failed:
            raise EspeakError("espeak-ng does not speak")
        return resampled(bytes(self._samples), self._rate)

    def _choose(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EspeakError(f"espeak-ng has no voice {voice}")

    def _take(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            self._samples += ctypes.string_at(samples, count * 2)
        return 0
