"""What stands in for a real StreamKit's Ogg is it, to the byte."""

from tests.support.audio import heard
from tests.support.ogg import opus_packets
from tests.support.paths import CASES
from tests.support.streamkit import (
    as_streamkit,
    recorded_speech,
    streamkit_speech,
    without_sound,
)

HEADERS = 2


def test_a_recorded_answer_is_written_again_to_the_byte() -> None:
    packets = [packet for page in opus_packets(recorded_speech()) for packet in page]

    assert as_streamkit(packets[HEADERS:-1]) == recorded_speech()
    assert packets[-1] == b""


def test_an_answer_without_sound_is_a_recorded_one() -> None:
    assert without_sound() == (CASES / "streamkit-no-sound.ogg").read_bytes()


def test_speech_is_of_any_length_and_ends_in_an_empty_packet() -> None:
    speech = streamkit_speech(1.5)

    assert opus_packets(speech)[-1] == [b""]
    whole, _, _ = speech.rpartition(b"OggS")  # libav raises for the last page
    assert len(heard(whole)[0]) == 72_000
