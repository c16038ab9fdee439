"""The jobs of the gateway's media workers."""

import importlib
import io
import pkgutil
import wave

import av

from .remuxing import remux_to_ogg
from .samples_to_opus import encode_samples
from .speech_formats import CONVERSIONS, Convert
from .upload_to_opus import convert_upload
from .workers.work import Job, Jobs, Work


def load() -> Jobs:
    """Return the jobs; those that make a format have the format's name."""
    warm_up()
    conversions = {"opus": remux_to_ogg, "samples": encode_samples, **CONVERSIONS}
    by_name = {"upload": _upload, **{name: _job(to) for name, to in conversions.items()}}
    speech = _opus(_silence(0.02))

    def rehearse() -> None:
        CONVERSIONS["mp3"](io.BytesIO(speech), lambda _, __: None)

    return Jobs(by_name, rehearse)


def warm_up() -> None:
    """Do what is done once: a worker can import nothing any more, and has no time to lose."""
    for module in pkgutil.iter_modules(av.__path__, f"{av.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    speech = _opus(_silence(0.1))
    for convert in CONVERSIONS.values():
        convert(io.BytesIO(speech), lambda _, __: None)


def _opus(upload: bytes) -> bytes:
    """Return an upload as Ogg/Opus."""
    made = bytearray()
    convert_upload(io.BytesIO(upload), lambda pages, _: made.extend(pages))
    return bytes(made)


def _silence(seconds: float) -> bytes:
    """Return a WAV."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * int(16_000 * seconds)))
    return made.getvalue()


def _upload(work: Work) -> None:
    convert_upload(work.source, work.write, work.open_spool)


def _job(convert: Convert) -> Job:
    def job(work: Work) -> None:
        convert(work.source, work.write)

    return job
