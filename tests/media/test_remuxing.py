"""The backend's audio as Ogg/Opus: untouched, copied, or encoded."""

import io

import av
import pytest

from speech_gateway.media.remuxing import remux_to_ogg, samples_of
from speech_gateway.media.workers.conversion import Conversion
from tests.support.audio import Kind, heard, opus_speech, recorded
from tests.support.converting import Pieces, Written, read_until, workers
from tests.support.ogg import cut_at_pages, opus_packets, packet_samples, pages, seconds_of
from tests.support.streamkit import recorded_speech

LIVE = (("live", "1"),)


def webm(seconds: float, layout: str = "mono", frame_ms: str = "20") -> bytes:
    duration = (("frame_duration", frame_ms),)
    return recorded(
        Kind("webm", "libopus", 48_000, layout, None, False, LIVE, codec_options=duration), seconds
    )


def remuxed(data: bytes) -> bytes:
    written = Written()
    remux_to_ogg(Pieces(data), written)
    return bytes(written.data)


def packets_in(container: bytes) -> list[bytes]:
    with av.open(io.BytesIO(container), "r") as opened:
        return [bytes(packet) for packet in opened.demux(audio=0) if packet.size]


def sound_in(ogg: bytes) -> list[bytes]:
    return [packet for page in opus_packets(ogg)[2:] for packet in page]


@pytest.mark.parametrize("speech", [recorded_speech(), opus_speech(1.0)])
def test_ogg_opus_passes_untouched(speech: bytes) -> None:
    assert remuxed(speech) == speech


@pytest.mark.parametrize("layout", ["mono", "stereo"])
@pytest.mark.parametrize("frame_ms", ["2.5", "20", "60"])
def test_opus_in_webm_is_not_encoded_again(layout: str, frame_ms: str) -> None:
    speech = webm(1.0, layout, frame_ms)

    made = remuxed(speech)

    assert sound_in(made) == packets_in(speech)
    assert pages(made)[0][2][9] == (1 if layout == "mono" else 2)


@pytest.mark.parametrize("frame_ms", ["2.5", "20", "60"])
def test_its_pages_count_what_is_in_them(frame_ms: str) -> None:
    made = remuxed(webm(1.0, frame_ms=frame_ms))

    counted, told = 0, []
    for page in opus_packets(made)[2:]:
        counted += sum(map(packet_samples, page))
        told.append(counted)
    assert [granule for granule, _, _ in pages(made)[2:]] == told
    assert seconds_of(made) == pytest.approx(1.0, abs=0.07)


def test_what_is_not_opus_is_encoded() -> None:
    samples, rate = heard(remuxed(recorded(Kind("mp3", "libmp3lame"), 2.0)))

    assert rate == 48_000
    assert len(samples) / rate == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("speech", [recorded_speech(), webm(4.8)])
async def test_the_first_sound_leaves_before_the_second_half_comes(speech: bytes) -> None:
    async with workers() as pool, Conversion(pool, "opus") as conversion:
        await conversion.feed(speech[: len(speech) // 2])

        await read_until(conversion, lambda made: made.count(b"OggS") >= 100)


@pytest.mark.parametrize(
    ("packet", "milliseconds"),
    [
        (b"\x00", 10),  # SILK
        (b"\x18", 60),
        (b"\x60", 10),  # hybrid
        (b"\x78", 20),
        (b"\x80", 2.5),  # CELT
        (b"\xf8", 20),
        (b"\xf9", 40),  # two frames
        (b"\xfa", 40),
        (b"\xfb\x83", 60),  # three frames, of different sizes
        (b"\xfb", 0),  # cut
    ],
)
def test_a_packet_says_how_long_it_lasts(packet: bytes, milliseconds: float) -> None:
    assert samples_of(packet) == milliseconds * 48


def test_a_page_holds_20_ms() -> None:
    assert {len(page) for page in opus_packets(remuxed(webm(1.0)))[2:]} == {1}
    assert len(cut_at_pages(remuxed(webm(1.0)))) > 50
