"""docs/wyoming.rst says what is run, and with what."""

import re
import shlex

from speech_gateway.api.wyoming.event_reader import MAX_DATA, MAX_HEADER, MAX_PAYLOAD
from speech_gateway.api.wyoming.heard_audio import CODECS, FASTEST, SLOWEST
from speech_gateway.api.wyoming.text_pieces import MAX_HELD
from speech_gateway.config import settings
from speech_gateway.media.live.live_messages import MAX_CHANNELS
from tests.support.documents import Document
from tests.support.paths import DOCS, ROOT

DOCUMENT = Document(DOCS / "wyoming.rst")
CLIENTS = ROOT / "tests" / "clients"
GATEWAY, SATELLITE = DOCUMENT.code("sh")
OF_DEVICES = {"--mic-command", "--wake-uri", "--wake-word-name", "--uri"}
"""Where the test has files, a program of its own, and a free port."""


def test_the_gateways_settings_are_right() -> None:
    program, *argv = shlex.split(GATEWAY)
    assert program == "speech-gateway"

    loaded, _ = settings.load(argv, {})
    assert loaded.wyoming_listen is not None
    assert (loaded.wyoming_listen.host, loaded.wyoming_announce) == ("0.0.0.0", True)


def test_the_satellite_is_started_as_it_says() -> None:
    words = shlex.split(SATELLITE.replace("\\\n", " "))
    script = " ".join((CLIENTS / "satellite.py").read_text().split())

    assert words[:3] == ["python", "-m", "wyoming_satellite"]
    assert '"-m", "wyoming_satellite"' in script
    for flag in set(words[3::2]) - OF_DEVICES:
        assert f'"{flag}"' in script
    told = dict(zip(words[3::2], words[4::2], strict=True))
    assert told["--snd-command-rate"] == "16000"
    assert "RATE = 16_000" in script
    assert f'"{told["--name"]}"' in script


def test_the_versions_are_those_that_are_set_up() -> None:
    for program, requirements in {
        "Home Assistant": ("home-assistant", "home-assistant-2026"),
        "wyoming-satellite": ("wyoming-satellite",),
    }.items():
        told = re.findall(rf"{program} (\d[\d.]+\d)|and (20\d\d[\d.]+\d)", DOCUMENT.text)
        versions = {first or second for first, second in told}
        for name in requirements:
            text = (CLIENTS / "requirements" / f"{name}.txt").read_text()
            assert versions & set(re.findall(r"==(\S+)", text)), name


def test_the_bounds_are_those_of_the_code() -> None:
    in_kib = [bound // 1024 for bound in (MAX_HEADER, MAX_DATA, MAX_PAYLOAD)]
    assert "{} KiB; {} KiB; {} KiB".format(*in_kib) in DOCUMENT.text
    assert f"{MAX_HELD:,} characters ahead" in DOCUMENT.text
    assert f"{SLOWEST // 1000} to {FASTEST // 1000} kHz, 1 to {MAX_CHANNELS} channels" in (
        DOCUMENT.text
    )
    assert max(CODECS) == 4
