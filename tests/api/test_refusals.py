"""Refused by the head: not a byte of the body is asked for, and none is read as a request."""

import pytest

from tests.support.gateway import Served


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/stt", {"Content-Type": "image/png", "Content-Length": "10"}, 415),
        ("POST", "/stt", {"Content-Encoding": "gzip", "Content-Length": "10"}, 415),
        ("POST", "/stt", {"Content-Length": "99999999"}, 413),
        ("POST", "/tts", {"Content-Length": "99999"}, 413),
        ("POST", "/tts", {"Content-Type": "text/plain; charset=x", "Content-Length": "10"}, 400),
        ("POST", "/stt", {"Content-Length": "0"}, 400),
        ("POST", "/stt", {"Host": "no host", "Content-Length": "10"}, 400),
        ("DELETE", "/stt", {"Content-Length": "10"}, 405),
        ("POST", "/healthz", {"Content-Length": "10"}, 405),
        ("POST", "/nowhere", {"Content-Length": "10"}, 404),
    ],
)
async def test_nothing_is_asked_for_of_a_body_that_is_refused(
    gateway: Served, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = await gateway.ask(method, path, {"Expect": "100-continue", **headers})

    assert response.status == status, "the first head that comes is the refusal's"
    assert response.text.count("\n") == 1
    if headers["Content-Length"] != "0":
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/tts", "/stt"])
async def test_a_body_that_is_wanted_is_asked_for(gateway: Served, path: str) -> None:
    async with await gateway.connect() as client:
        client.request("POST", path, {"Expect": "100-continue", "Content-Length": "5"})
        assert (await client.head())[0] == 100
        client.write(b"Hello")
        assert (await client.response()).status == 200


async def test_a_refused_body_is_never_read_as_the_next_request(gateway: Served) -> None:
    smuggled = b"POST /tts HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
    async with await gateway.connect() as client:
        client.request("POST", "/stt", {"Content-Type": "image/png", "Content-Length": "5000"})
        client.write(smuggled)
        assert (await client.response()).status == 415
        client.writer.write_eof()
        assert await client.closed()

    assert gateway.count("tts", 200) == 0


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/tts"])
async def test_an_unknown_expectation_is_no_fault(gateway: Served, path: str) -> None:
    response = await gateway.ask("GET", path, {"Expect": "miracles"})

    assert response.status in (200, 404, 405, 417)
    assert response.headers["x-request-id"]
