"""The keys that clients show: who is let in, and what becomes of a file that changes."""

import asyncio
import hashlib
import timeit
from pathlib import Path

import pytest

from speech_gateway.config.client_keys import ClientKeys
from speech_gateway.config.watched_file import CHECK_INTERVAL
from tests.support.backend import ScriptedBackend
from tests.support.client import connect
from tests.support.gateway import Served, serving
from tests.support.polling import until
from tests.support.program import program, serving_program

KEY, HASHED_KEY, OTHER_KEY = "k-4711-0815-abcdef", "k-hashed-0123456789", "k-other-987654321"
KEYS = f"""\
# who may speak
radio   {KEY}
theatre sha256:{hashlib.sha256(HASHED_KEY.encode()).hexdigest()}  # the same, hashed
"""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(KEYS)
    return path


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        (f"Bearer {KEY}", "radio"),
        (f"bearer  {KEY}", "radio"),
        (f"Bearer {HASHED_KEY}", "theatre"),
    ],
    ids=["plain", "another case", "hashed"],
)
async def test_a_client_with_a_key_is_served_and_named(
    backend: ScriptedBackend, keys: Path, shown: str, name: str
) -> None:
    flags = ("--skit-url", backend.url, "--token", "ours", "--client-keys", str(keys))
    async with serving_program(*flags) as run:
        async with await connect(run.port) as client:
            assert (await client.speak(Authorization=shown)).status == 200
        assert (await run.line(r"ended with 200 .* key=(\S+)"))[1] == name

    assert KEY not in "".join(run.log)
    assert backend.calls.get_nowait().headers["authorization"] == "Bearer ours"


@pytest.mark.parametrize(
    ("shown", "challenge"),
    [
        (None, 'Bearer realm="speech-gateway"'),
        (f"Basic {KEY}", 'Bearer realm="speech-gateway"'),
        (f"Bearer {OTHER_KEY}", 'Bearer realm="speech-gateway", error="invalid_token"'),
        (f"Bearer {KEY[:-1]}", 'Bearer realm="speech-gateway", error="invalid_token"'),
        ("Bearer", 'Bearer realm="speech-gateway", error="invalid_token"'),
        ("Bearer \xff", 'Bearer realm="speech-gateway", error="invalid_token"'),
    ],
    ids=["none", "another scheme", "unknown", "cut short", "empty", "no ASCII"],
)
async def test_a_client_without_a_key_is_refused(
    backend: ScriptedBackend, keys: Path, shown: str | None, challenge: str
) -> None:
    headers = {} if shown is None else {"Authorization": shown}
    async with serving(backend.url, "--client-keys", str(keys)) as gateway:
        refused = await gateway.speak(**headers)

        assert (refused.status, refused.headers["www-authenticate"]) == (401, challenge)
        assert (backend.seen, gateway.count("tts", 401)) == (0, 1)


async def test_the_pages_are_free(backend: ScriptedBackend, keys: Path) -> None:
    async with serving(backend.url, "--client-keys", str(keys)) as gateway:
        async with await gateway.connect() as client:
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await client.ask("GET", path)).status == 200


async def test_an_emptied_file_revokes_all_keys_and_says_so(
    backend: ScriptedBackend, keys: Path
) -> None:
    async with serving_program("--skit-url", backend.url, "--client-keys", str(keys)) as run:
        keys.write_text("")

        await run.line("ERROR .* client keys is empty now: every key is revoked")

        async with await connect(run.port) as client:
            assert (await client.speak(Authorization=f"Bearer {KEY}")).status == 401


async def test_a_revoked_key_is_refused_though_nobody_asked_meanwhile(
    backend: ScriptedBackend, keys: Path
) -> None:
    async with serving_program("--skit-url", backend.url, "--client-keys", str(keys)) as run:
        keys.write_text(f"radio {OTHER_KEY}\n")

        await run.line("client keys were read again: 1")

        async with await connect(run.port) as client:
            assert (await client.speak(Authorization=f"Bearer {KEY}")).status == 401


def test_an_unknown_key_costs_the_same_among_many_keys(tmp_path: Path) -> None:
    def seconds(keys: int) -> float:
        path = tmp_path / str(keys)
        path.write_text("".join(f"radio {KEY}-{number}\n" for number in range(keys)))
        known = ClientKeys(path)
        return min(timeit.repeat(lambda: known.name_of(OTHER_KEY), number=100, repeat=5))

    assert seconds(20_000) < 50 * seconds(20)


async def until_read_again(gateway: Served, key: str, status: int) -> None:
    async def status_now() -> int:
        return (await gateway.speak(Authorization=f"Bearer {key}")).status

    await until(status_now, 20 * CHECK_INTERVAL, equals=status)


async def test_a_changed_file_is_read_again(backend: ScriptedBackend, keys: Path) -> None:
    async with serving(backend.url, "--client-keys", str(keys)) as gateway:
        await until_read_again(gateway, KEY, 200)

        keys.write_text(f"radio {OTHER_KEY}\n")

        await until_read_again(gateway, OTHER_KEY, 200)
        await until_read_again(gateway, KEY, 401)


@pytest.mark.parametrize("how", ["spoilt", "removed"])
async def test_keys_stay_when_the_file_is(backend: ScriptedBackend, keys: Path, how: str) -> None:
    async with serving_program("--skit-url", backend.url, "--client-keys", str(keys)) as run:
        if how == "spoilt":
            keys.write_text(f"radio {OTHER_KEY} and more\n")
        else:
            keys.unlink()

        async with asyncio.timeout(20 * CHECK_INTERVAL), await connect(run.port) as client:
            told = asyncio.create_task(run.line("ERROR .* client keys are not taken"))
            while not told.done():
                assert (await client.speak(Authorization=f"Bearer {KEY}")).status == 200
                await asyncio.sleep(0.05)  # the file is looked at now and then
            await told

    assert OTHER_KEY not in "".join(run.log)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must hold a client key"),
        ("# nobody\n", "must hold a client key"),
        (f"radio {KEY} more\n", "line 1 is not"),
        (f"\nra/dio {KEY}\n", "line 2 is not"),
        ("radio short\n", "keys of 16 visible ASCII characters or more"),
        ("radio sha256:abc\n", "64 hexadecimal digits; line 1 does not"),
        (f"radio {KEY}\ntheatre {KEY}\n", "must not hold a key twice"),
        ("radio \udcff\udcfe\n", "must be a readable file"),
        (None, "must be a readable file"),
    ],
)
async def test_a_wrong_file_stops_the_start(keys: Path, text: str | None, problem: str) -> None:
    keys.unlink() if text is None else keys.write_text(text, errors="surrogateescape")
    async with program("--client-keys", str(keys), "--check-config") as run:
        assert await run.ended() == 2

    assert "client-keys (from the command line) " in run.log[-1]
    assert problem in run.log[-1]
    assert KEY not in run.log[-1]
