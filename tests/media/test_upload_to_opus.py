"""Uploads of all kinds to Ogg/Opus: while they come, and nothing but them."""

import struct
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from speech_gateway.media.audio_errors import BadAudioError
from speech_gateway.media.decoding import STRANGE_RATE, TOO_MANY_CHANNELS
from speech_gateway.media.upload_to_opus import (
    EMPTY,
    KINDS,
    NO_AUDIO,
    NOT_KNOWN,
    TOO_LONG,
    convert_upload,
)
from speech_gateway.media.workers.conversion import Conversion
from speech_gateway.media.workers.work import MAX_AUDIO_SECONDS
from tests.support.audio import Kind, heard, opus_speech, recorded, silent_film, tone, wav
from tests.support.containers import (
    BIG_SAMPLES,
    HUGE_TAG,
    SAMPLES,
    aiff,
    aiff_chunk,
    au,
    caf,
    caf_chunk,
    caf_with_aac,
    common,
    described,
    rf64,
    sound,
    wave64,
    wave64_chunk,
    wave_format,
)
from tests.support.containers import (
    data as caf_data,
)
from tests.support.converting import (
    Pieces,
    Written,
    converted,
    read_until,
    workers,
)
from tests.support.ogg import opus_packets, packet_samples, pages
from tests.support.streamkit import as_streamkit, recorded_speech
from tests.support.upload_kinds import SPOOLED, STREAMED

ALL = STREAMED | SPOOLED
SECONDS_LONG = 8.0
JUNK = aiff_chunk(b"JUNK", BIG_SAMPLES)
JUNKS = {
    "zeros": bytes(5_000),
    "noise": Random(1).randbytes(5_000),
    "syncs": b"\xff" * 5_000,
    "frames-that-do-not-follow": b"\xff\xfb\x90\x44\xff\xf1\x50\x80\x29\x9f" * 500,
    "a-tag": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10),
    "a-tag-and-zeros": b"ID3\x04\0\0\0\0\0\x0a" + bytes(5_000),
}


def uploaded(data: bytes) -> tuple[Written, bytes]:
    """Return what a conversion has written."""
    written = Written()
    convert_upload(Pieces(data), written)
    return written, bytes(written.data)


def refusal(data: bytes) -> str:
    with pytest.raises(BadAudioError) as caught:
        uploaded(data)
    return str(caught.value)


@pytest.mark.parametrize("name", ALL)
def test_any_kind_becomes_mono_opus_in_pages_of_20_ms(name: str) -> None:
    upload, made = uploaded(recorded(ALL[name], SECONDS_LONG))

    samples, rate = heard(made)
    middle = samples[rate : rate + 4800]
    assert len(samples) / rate == pytest.approx(upload.seconds, abs=0.001)
    assert upload.seconds == pytest.approx(SECONDS_LONG, abs=0.1)
    assert max(middle) == pytest.approx(0.17, abs=0.1)  # by how channels are mixed
    assert sum(a < 0 <= b for a, b in pairwise(middle)) in (43, 44, 45)
    assert pages(made)[0][2][:8] + pages(made)[0][2][9:10] == b"OpusHead\x01"
    assert {len(packets) for packets in opus_packets(made)[2:]} == {1}


@pytest.mark.parametrize("name", STREAMED)
async def test_pages_come_before_the_second_half_is_sent(name: str) -> None:
    data = recorded(STREAMED[name], SECONDS_LONG)
    async with workers() as pool, Conversion(pool, "upload") as conversion:
        await conversion.feed(data[: len(data) // 2])

        await read_until(conversion, lambda made: made.count(b"OggS") >= 10)


@pytest.mark.parametrize("seconds", [3.0, 3.005])
def test_a_pause_is_made_of_packets_that_a_backend_does_not_drop(seconds: float) -> None:
    rate = 16_000
    pause = bytes(2 * round(seconds * rate))

    _, made = uploaded(wav(tone(1.0, rate) + pause + tone(1.0, rate), rate))

    packets = [packet for page in opus_packets(made)[2:] for packet in page]
    assert min(map(len, packets)) >= 10
    assert {packet_samples(packet) for packet in packets} == {960}
    assert sum(map(packet_samples, packets)) / 48_000 == pytest.approx(2 + seconds, abs=0.04)


async def test_it_makes_no_difference_how_an_upload_is_cut() -> None:
    data = recorded(STREAMED["mp3"], 1.0)

    async with workers() as pool:
        made = await converted(pool, "upload", (data[at : at + 1] for at in range(len(data))))

    # But for the stream's serial number, which is drawn, and the checksums over it.
    assert opus_packets(made) == opus_packets(uploaded(data)[1])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_that_does_not_know_its_length_goes_on_to_its_end(size: int) -> None:
    data = bytearray(recorded(STREAMED["wav"], 1.0))
    at = data.index(b"data") + 4
    struct.pack_into("<I", data, 4, size)
    struct.pack_into("<I", data, at, size)

    upload, _ = uploaded(bytes(data))

    assert upload.seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "data",
    [
        rf64(len(SAMPLES) // 2),
        rf64(len(SAMPLES), told=len(SAMPLES) // 2),
        au(len(SAMPLES) // 2, 3, 1, BIG_SAMPLES),
        wave64(
            wave64_chunk(b"fmt ", wave_format()),
            wave64_chunk(b"junk", b"of an odd length, padded to eight."),
            wave64_chunk(b"data", SAMPLES[: len(SAMPLES) // 2]),
            wave64_chunk(b"junk", SAMPLES),
        ),
        aiff(aiff_chunk(b"COMM", common()), aiff_chunk(b"SSND", sound(BIG_SAMPLES[:8000])), JUNK),
        caf(described(), caf_data(BIG_SAMPLES[:8000]), caf_chunk(b"free", SAMPLES)),
    ],
    ids=["rf64", "rf64-small", "au", "wave64", "aiff", "caf"],
)
def test_a_file_s_samples_end_where_it_says(data: bytes) -> None:
    assert uploaded(data)[0].seconds == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "data",
    [
        rf64(0),
        au(0xFFFFFFFF, 3, 1, BIG_SAMPLES, begin=100),
        wave64(wave64_chunk(b"fmt ", wave_format()), wave64_chunk(b"data", SAMPLES, 1 << 40)),
        aiff(aiff_chunk(b"COMM", common(frames=0)), aiff_chunk(b"SSND", sound(), 0)),
        aiff(aiff_chunk(b"COMM", common(frames=0xFFFFFFFF)), aiff_chunk(b"SSND", sound())),
        aiff(aiff_chunk(b"COMM", common()), aiff_chunk(b"SSND", sound(offset=50))),
        caf(described(), caf_data(size=-1)),
    ],
    ids=["rf64", "au", "wave64", "aiff", "aiff-frames", "aiff-offset", "caf"],
)
def test_a_file_that_does_not_know_its_length_goes_on_to_its_end(data: bytes) -> None:
    assert uploaded(data)[0].seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "data",
    [
        aiff(aiff_chunk(b"SSND", sound()), aiff_chunk(b"COMM", common())),
        caf_with_aac(table_last=False),
        caf_with_aac(table_last=True),
    ],
    ids=["aiff-sound-first", "caf-packet-table-first", "caf-packet-table-last"],
)
def test_chunks_may_stand_in_any_order(data: bytes) -> None:
    upload, made = uploaded(data)

    assert upload.seconds == pytest.approx(1.0, abs=0.1)
    assert max(heard(made)[0]) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("name", ["mp3-bare", "aac"])
@pytest.mark.parametrize("junk", JUNKS)
def test_what_is_in_front_of_the_first_frame_is_left_out(name: str, junk: str) -> None:
    frames = recorded(ALL[name], 1.0)

    upload, _ = uploaded(JUNKS[junk] + frames)

    assert upload.seconds == pytest.approx(uploaded(frames)[0].seconds, abs=0.001)


@pytest.mark.parametrize(
    "text",
    ["a text with \xff\xfb in it, ".encode("latin-1") * 5_000, "UTF-16, ".encode("utf-16") * 500],
)
def test_what_only_looks_like_a_frame_is_of_no_known_kind(text: bytes) -> None:
    assert refusal(text) == NOT_KNOWN


def test_tags_between_frames_of_aac_are_left_out() -> None:
    frames = recorded(ALL["aac"], 1.0)

    upload, _ = uploaded(frames + HUGE_TAG + frames + b"TAG" + bytes(125))

    assert upload.seconds == pytest.approx(2 * uploaded(frames)[0].seconds, abs=0.001)


def test_what_follows_a_wav_s_samples_is_not_heard() -> None:
    data = recorded(STREAMED["wav"], 1.0) + b"LIST" + struct.pack("<I", 88_200) + bytes(88_200)

    assert uploaded(data)[0].seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", [*STREAMED, "mp4-pieces"])
def test_of_a_file_that_is_cut_there_is_what_there_is(name: str) -> None:
    data = recorded(ALL[name], SECONDS_LONG)

    upload, _ = uploaded(data[: len(data) // 2])

    assert SECONDS_LONG / 4 < upload.seconds < SECONDS_LONG * 0.6


@pytest.mark.parametrize("odd", [b"", b"\x03"])  # libav's demuxer raises for either
def test_what_follows_an_odd_packet_is_heard(odd: bytes) -> None:
    packets = [packet for page in opus_packets(recorded_speech())[1:-1] for packet in page][1:]

    upload, _ = uploaded(as_streamkit([*packets[:100], odd, odd, *packets[100:]]))

    assert upload.seconds == pytest.approx(4.8, abs=0.05)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", EMPTY),
        (b"hello, is this on?", NOT_KNOWN),
        (bytes(5000), NOT_KNOWN),
        (b"%PDF-1.7 and so on", NOT_KNOWN),
        (b"RIFF\0\0\0\0WAVE", NO_AUDIO),
        (b"OggS" + bytes(100), NO_AUDIO),
        (b"fLaC" + bytes(100), NO_AUDIO),
        (b"ID3\x04\0\0\0\0\0\0" + bytes(100), NO_AUDIO),
        (b"\x1a\x45\xdf\xa3" + bytes(100), NO_AUDIO),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", NO_AUDIO),
        (b"RF64\xff\xff\xff\xffWAVE", NO_AUDIO),
        (wave64(), NO_AUDIO),
        (b".snd" + bytes(5000), NO_AUDIO),
        (b"FORM\0\0\0\x04AIFF", NO_AUDIO),
        (b"caff\0\1\0\0", NO_AUDIO),
        (recorded(ALL["m4a"], 1.0)[:10_000], NO_AUDIO),
        (recorded(ALL["wav"], 1.0)[:44], NO_AUDIO),
    ],
)
def test_what_is_no_audio_is_refused_with_what_would_be_right(data: bytes, told: str) -> None:
    assert refusal(data) == told
    assert told.endswith(f"send {KINDS}")


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mpeg4"), ("webm", "libvpx")])
def test_a_film_without_sound_is_refused(container: str, codec: str) -> None:
    assert refusal(silent_film(container, codec)) == NO_AUDIO


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "[playlist]\nFile1={path}\n",
        '<?xml version="1.0"?><MPD><BaseURL>{path}</BaseURL></MPD>',
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    ],
)
@pytest.mark.parametrize("posing_as", [b"", b"ID3\x04\0\0\0\0\0\0", b"OggS", b"\0\0\0\x08ftyp"])
def test_a_playlist_opens_no_file(tmp_path: Path, playlist: str, posing_as: bytes) -> None:
    other = tmp_path / "other.mp3"
    other.write_bytes(recorded(ALL["mp3-bare"], 1.0))

    told = refusal(posing_as + playlist.format(path=other).encode())

    assert told in (NOT_KNOWN, NO_AUDIO)


@pytest.mark.parametrize("rate", [1, 3_999, 192_001, 100_000_000])
def test_a_sample_rate_that_would_multiply_the_work_is_refused(rate: int) -> None:
    data = bytearray(recorded(ALL["wav"], 1.0))
    struct.pack_into("<I", data, 24, rate)

    assert refusal(bytes(data)) == STRANGE_RATE


def test_hours_of_silence_in_a_small_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speech_gateway.media.upload_to_opus.MAX_AUDIO_SECONDS", 0.5)

    assert refusal(opus_speech(1.0)) == TOO_LONG
    assert MAX_AUDIO_SECONDS == 4 * 3600


@pytest.mark.parametrize(
    ("name", "table", "count_at"),
    [("m4a", b"stsz", 12), ("mp4-pieces", b"trun", 8)],
)
def test_an_mp4_that_counts_more_samples_than_it_has_bytes_is_refused(
    name: str, table: bytes, count_at: int
) -> None:
    data = bytearray(recorded(ALL[name], 1.0))
    struct.pack_into(">I", data, data.index(table) + count_at, 2**24)

    assert refusal(bytes(data)) == NO_AUDIO


def test_an_mp4_with_a_packed_index_is_refused() -> None:
    data = recorded(ALL["m4a"], 1.0) + b"\0\0\0\x10moov\0\0\0\x08cmov"

    assert refusal(data) == NO_AUDIO


def test_nothing_is_printed_by_libav(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ALL:
        data = recorded(ALL[name], SECONDS_LONG)
        uploaded(data[: len(data) * 9 // 10] if name in STREAMED else data)
    with pytest.raises(BadAudioError):
        uploaded(b"OggS" + bytes(100))

    assert capfd.readouterr() == ("", "")


def test_more_channels_than_surround_sound_has_are_refused() -> None:
    assert refusal(recorded(Kind("matroska", "pcm_s16le", layout="hexadecagonal"), 0.1)) == (
        TOO_MANY_CHANNELS
    )


def test_surround_sound_is_heard() -> None:
    surround = recorded(Kind("matroska", "pcm_s16le", layout="7.1"), 1.0)

    _, made = uploaded(surround)
    samples, rate = heard(made)

    assert len(samples) / rate == pytest.approx(1.0, abs=0.1)
