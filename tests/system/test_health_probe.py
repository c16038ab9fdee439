"""``speech-gateway --health``, as a container asks it."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from speech_gateway.config.addresses import ListenAddress
from speech_gateway.health_probe import LIMIT, _target
from tests.support.backend import ScriptedBackend
from tests.support.gateway import Served, serving
from tests.support.process import nobody
from tests.support.program import program

HEALTHY = (0, "")


async def health(*argv: str, **environ: str) -> tuple[int, str]:
    """Ask as a process of its own; return the exit status and what was told."""
    async with program("--health", *argv, **environ) as run:
        return await run.ended(), run.log[-1]


async def test_a_gateway_that_is_ready_is_healthy(gateway: Served) -> None:
    assert await health("--listen", f"127.0.0.1:{gateway.port}") == HEALTHY


@pytest.mark.parametrize("listen", [":{}", "0.0.0.0:{}", "localhost:{}"])
async def test_it_is_asked_at_the_address_that_the_environment_has(
    gateway: Served, listen: str
) -> None:
    assert await health(GATEWAY_LISTEN=listen.format(gateway.port)) == HEALTHY


async def test_it_is_asked_at_the_address_that_the_file_has(
    gateway: Served, tmp_path: Path
) -> None:
    (tmp_path / "own.conf").write_text(f'listen: ":{gateway.port}"')

    assert await health("--config", str(tmp_path / "own.conf")) == HEALTHY
    assert await health(GATEWAY_CONFIG=str(tmp_path / "own.conf")) == HEALTHY


@pytest.mark.parametrize("listen", ["[::1]", "[::]"])
async def test_it_is_asked_over_ipv6(backend: ScriptedBackend, listen: str) -> None:
    async with serving(backend.url, "--listen", "[::1]:0") as gateway:
        assert await health("--listen", f"{listen}:{gateway.port}") == HEALTHY


async def test_it_is_asked_at_a_unix_socket(backend: ScriptedBackend, tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/gateway.sock"
    async with serving(backend.url, "--listen", place):
        assert await health("--listen", place) == HEALTHY
        assert await health(place) == HEALTHY


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "http://localhost:{}/", "127.0.0.1:{}"])
async def test_another_gateway_is_asked_by_its_url(gateway: Served, form: str) -> None:
    assert await health(form.format(gateway.port), GATEWAY_LISTEN="unix:/nowhere") == HEALTHY


async def test_gos_form_is_taken(gateway: Served) -> None:
    async with program(f"-health=:{gateway.port}") as run:
        assert await run.ended() == 0


async def test_it_is_unhealthy_while_the_backend_is(
    gateway: Served, backend: ScriptedBackend
) -> None:
    backend.healthy = False

    status, told = await health(f":{gateway.port}")

    assert status == 1
    assert told.count("\n") == 1
    assert f"/readyz of http://127.0.0.1:{gateway.port} answers 503: " in told
    assert "answers 503" in told.partition("answers 503: ")[2]


async def test_a_url_may_ask_for_no_more_than_life(backend: ScriptedBackend) -> None:
    backend.healthy = False
    async with serving(backend.url) as gateway:
        assert await health(f"http://127.0.0.1:{gateway.port}/healthz") == HEALTHY


async def test_what_clients_must_bring_is_not_asked_of_it(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("radio 0123456789abcdef\n")
    flags = ("--client-keys", str(tmp_path / "keys"), "--trusted-hops", "192.0.2.1")
    async with serving(backend.url, *flags) as gateway:
        assert await health(f":{gateway.port}") == HEALTHY


async def test_other_settings_may_be_wrong_and_files_unreadable(
    gateway: Served, tmp_path: Path
) -> None:
    (tmp_path / "own.conf").write_text("max-queu: 3\nmax-queue: many\n")
    flags = ("--config", str(tmp_path / "own.conf"), "--token-file", str(tmp_path / "none"))

    assert await health("--listen", f":{gateway.port}", *flags) == HEALTHY


async def test_nobody_at_the_address_is_unhealthy() -> None:
    with nobody() as url:
        status, told = await health(url)

    assert (status, told) == (
        1,
        f"speech-gateway: nobody answers at {url}: Connection refused\n",
    )


async def test_a_file_that_may_have_had_the_address_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("listen: [")

    with nobody() as url:
        listen = ("--listen", url.removeprefix("http://"))
        status, told = await health("--config", str(tmp_path / "own.conf"), *listen)

    assert status == 1
    assert "nobody answers" in told
    assert "must be a YAML file of settings" in told


async def test_who_never_answers_is_unhealthy_within_five_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # nobody accepts
        begun = time.monotonic()
        status, told = await health(f":{silent.getsockname()[1]}")
        took = time.monotonic() - begun

    assert (status, f"within {LIMIT:g} s" in told) == (1, True)
    assert took < 5 + 3, "the start of a process is the machine's affair"


async def test_what_is_no_gateway_is_unhealthy() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as other:
        status, told = await health(f":{other.sockets[0].getsockname()[1]}")

    assert (status, "is no gateway" in told) == (1, True)


@pytest.mark.parametrize(
    "url",
    ["https://localhost", "http://", "http://me:secret@localhost", "http://localhost?x", "nowhere"],
)
async def test_what_is_no_address_is_told(url: str) -> None:
    status, told = await health(url)

    assert status == 1
    assert "must be http://host:port" in told
    assert "secret" not in told


async def test_a_misspelt_flag_is_told_and_nobody_asked(gateway: Served) -> None:
    status, told = await health("--lisen", f":{gateway.port}", GATEWAY_LISTEN=f":{gateway.port}")

    assert (status, told) == (1, "speech-gateway: lisen (from the command line) is no setting\n")


async def test_a_port_of_chance_cannot_be_known() -> None:
    status, told = await health("--listen", ":0")

    assert (status, "give --health a URL" in told) == (1, True)


async def test_it_does_not_load_what_the_gateway_serves_with(gateway: Served) -> None:
    status, loaded = await health(f":{gateway.port}", PYTHONPROFILEIMPORTTIME="1")

    assert status == 0
    assert "speech_gateway.health_probe" in loaded
    assert "aiohttp" not in loaded
    assert "uvloop" not in loaded


def test_a_wildcard_is_asked_on_the_loopback() -> None:
    assert _target(":80").address == ListenAddress("127.0.0.1", 80)
    assert _target("[::]:80").address == ListenAddress("::1", 80)
