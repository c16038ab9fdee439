"""Messages byte by byte: cut anywhere, joined, wrong, or without an end."""

import asyncio
import json

import pytest
from wyoming.tts import Synthesize

from speech_gateway.api.wyoming.event_reader import MAX_DATA, MAX_HEADER, MAX_PAYLOAD
from tests.support.backend import ScriptedBackend, hold
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.realtime import speech
from tests.support.speech import FOX
from tests.support.wyoming import AUDIO, WyomingClient, connect_wyoming, message, wyoming

from .conftest import HEARD, ON, silent, speak_and_hear

PING = message("ping", text="there?")
WITH_DATA_IN_THE_LINE = b'{"type": "ping", "data": {"text": "there?"}}\n'
BOTH = b'{"type": "ping", "data": {"text": "no"}, "data_length": 18}\n{"text": "there?"}'
NULLS = b'{"type":"ping","data":{"text":"there?"},"data_length":null,"payload_length":null}\n'
WITH_MORE = (
    b'{"type": "ping", "version": "9", "new": [], "payload_length": 2, "data_length": 18}\n'
    b'{"text": "there?"}??'
)
NO_MESSAGES = {
    "an empty line": b"\n",
    "no JSON": b"GET / HTTP/1.1\r\n\r\n",
    "JSON cut": b'{"type": "ping"\n',
    "no object": b'["ping"]\n',
    "a text": b'"ping"\n',
    "no type": b"{}\n",
    "a type that is no text": b'{"type": 7}\n',
    "data that is no object": b'{"type": "ping", "data": []}\n',
    "deep nesting": b'{"type": "ping", "data": ' + b"[" * 20_000 + b"\n",
    "no UTF-8": b'{"type": "\xff"}\n',
    "a length below zero": b'{"type": "ping", "data_length": -1}\n',
    "a length that is a text": b'{"type": "ping", "data_length": "2"}\n{}',
    "a length that is nothing": b'{"type": "ping", "data_length": ""}\n',
    "half a byte": b'{"type": "ping", "payload_length": 1.5}\n??',
    "a length that is true": b'{"type": "ping", "payload_length": true}\n?',
    "data that is no JSON": b'{"type": "ping", "data_length": 2}\n??',
    "data that is a list": b'{"type": "ping", "data_length": 2}\n[]',
    "data that is deeply nested": b'{"type": "ping", "data_length": 90000}\n' + b"[" * 90_000,
    "a line without an end": b'{"type": "' + b"p" * MAX_HEADER,
    "a line that is too long": b'{"type": "' + b"p" * MAX_HEADER + b'"}\n',
}
TOO_LARGE = {
    "data": b'{"type": "ping", "data_length": %d}\n' % (MAX_DATA + 1),
    "a payload": b'{"type": "audio-chunk", "payload_length": %d}\n' % (MAX_PAYLOAD + 1),
    "a payload of all numbers": b'{"type": "audio-chunk", "payload_length": 1'
    + b"0" * 4000
    + b"}\n",
}


@pytest.mark.parametrize("sent", [PING, WITH_DATA_IN_THE_LINE, BOTH, NULLS, WITH_MORE])
async def test_messages_come_in_several_forms(client: WyomingClient, sent: bytes) -> None:
    client.raw.write(sent)

    assert (await client.event()).data == {"text": "there?"}


async def test_a_message_may_come_byte_by_byte(client: WyomingClient) -> None:
    sock = client.raw.writer.get_extra_info("socket")
    sock.setsockopt(6, 1, 1)  # TCP_NODELAY: each byte in a segment of its own
    for byte in BOTH:
        client.raw.write(bytes([byte]))
        await asyncio.sleep(0)

    assert (await client.event()).data == {"text": "there?"}


async def test_many_messages_may_come_in_one_segment(client: WyomingClient) -> None:
    samples = message("audio-chunk", speech(), **AUDIO)
    client.raw.write(PING + samples + message("audio-stop") + PING)

    for kind in ("pong", "transcript"):
        await client.event(kind)
    assert client.events[-1].data["text"] == HEARD
    assert client.kinds().count("pong") == 2


async def test_what_is_not_known_is_left_out(client: WyomingClient) -> None:
    await client.send("select-program", name="speech-gateway")
    await client.send("detect", names=["hey"])
    await client.send("", b"payload")
    client.raw.write(PING)

    assert (await client.event()).type == "pong"


@pytest.mark.parametrize("sent", NO_MESSAGES.values(), ids=NO_MESSAGES)
async def test_what_is_no_message_is_told_and_the_connection_closed(
    client: WyomingClient, sent: bytes
) -> None:
    client.raw.write(PING + sent)
    await client.event("pong")

    code, text = await client.error()
    assert code == "400"
    assert text.startswith("a message begins with a line of at most 65536 bytes")


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_what_is_too_large_is_refused_before_it_has_come(
    client: WyomingClient, sent: bytes
) -> None:
    client.raw.write(sent)

    code, text = await client.error()
    assert code in ("400", "413")
    assert text


@pytest.mark.parametrize(("flags", "most"), [((), MAX_PAYLOAD), (("--max-body-bytes=2000",), 2000)])
async def test_a_payload_may_be_as_large_as_it_says(
    backend: ScriptedBackend, flags: tuple[str, ...], most: int
) -> None:
    backend.script = speak_and_hear
    async with serving(backend.url, *ON, *flags) as gateway, wyoming(gateway) as client:
        await client.send("audio-chunk", bytes(most), **AUDIO)
        await client.send("audio-stop")
        await client.event("transcript-stop")
        await client.send("audio-chunk", bytes(most + 1), **AUDIO)

        assert await client.error() == ("413", f"payload_length may be at most {most} bytes")


async def test_a_refusal_is_read_by_a_client_that_is_still_sending(gateway: Served) -> None:
    client = await connect_wyoming(gateway)
    async with client.raw:
        await client.send("transcribe", language="no language")

        async def talk() -> None:
            for _ in range(50):
                await client.say(bytes(64_000))
                await asyncio.sleep(0)

        talking = asyncio.create_task(talk())
        assert (await client.error())[0] == "400"
        await asyncio.wait({talking})
        talking.exception()


async def test_a_refusal_is_read_behind_all_that_was_sent_before_it(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend
) -> None:
    release = hold(backend, b"no HTTP")
    client.raw.write(message("synthesize", text=FOX) * 2)  # the second one waits, and all behind it
    talking = asyncio.create_task(client.say(bytes(8 * 1024 * 1024)))
    await until(lambda: backend.seen, equals=1)
    assert not talking.done()
    release.set()
    await talking

    assert (await client.error())[0] == "502"
    assert gateway.count("tts", 502, "other") == 1


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (message("synthesize-chunk", text="a"), "synthesize-start comes before parts of a text"),
        (message("synthesize-stop"), "synthesize-start comes before parts of a text"),
        (message("audio-stop"), "there is no audio; audio-chunk comes before its end"),
        (
            message("synthesize-start") * 2,
            "synthesize-stop comes before anything else is asked for",
        ),
        (
            message("synthesize-start") + message("audio-chunk", b"00", **AUDIO),
            "synthesize-stop comes before anything else is asked for",
        ),
        (
            message("audio-chunk", b"00", **AUDIO) + message("synthesize", text=FOX),
            "audio-stop comes before anything else is asked for",
        ),
        (
            message("audio-chunk", b"00", **AUDIO) + message("transcribe"),
            "audio-stop comes before anything else is asked for",
        ),
        (
            message("audio-chunk", b"00", **AUDIO) + message("audio-start", **AUDIO),
            "audio-stop comes before anything else is asked for",
        ),
        (message("synthesize-start") + message("synthesize-chunk"), "synthesize-chunk has a text"),
    ],
)
async def test_messages_in_a_wrong_order_are_refused(
    gateway: Served, client: WyomingClient, sent: bytes, told: str
) -> None:
    client.raw.write(sent)

    assert await client.error() == ("400", told)
    await gateway.settled()
    counted = [gateway.count(endpoint, 400, "other") for endpoint in ("tts", "stt")]
    assert sum(counted) == 1


@pytest.mark.parametrize("junk", [b"\n", message("synthesize", text=3), b'{"type": "x'])
async def test_junk_behind_a_request_ends_it_as_well(
    gateway: Served, client: WyomingClient, backend: ScriptedBackend, junk: bytes
) -> None:
    backend.script = silent
    await client.send(Synthesize(text=FOX))
    call = await backend.calls.get()
    client.raw.write(junk + b"y" * MAX_HEADER)

    assert (await client.error())[0] == "400"
    await call.closed.wait()
    await until(lambda: gateway.count("tts", 400, "other"), equals=1)


async def test_data_of_a_message_may_be_as_long_as_hours_of_speech(
    client: WyomingClient, backend: ScriptedBackend
) -> None:
    room = MAX_DATA - len(json.dumps({"text": ""}))
    client.raw.write(message("ping", text="x" * room))

    assert len((await client.event()).data["text"]) == room
    client.raw.write(message("ping", text="x" * (room + 1)))
    assert (await client.error())[0] == "413"
