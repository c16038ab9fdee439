"""The bundled engine, measured: ``python -m tests.bench.engine --json bench-engine.json``.

Beside it stands the engine that it replaced, espeak-ng with PocketSphinx, as it was in the last
commit that had it. Each is run as ``make run`` does, with the gateway in front of it.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.bench.__main__ import machine
from tests.bench.conversions import first_byte
from tests.support.client import connect
from tests.support.clips import Clip, clips
from tests.support.ogg import cut_at_pages, seconds_of
from tests.support.openai_api import send_form
from tests.support.paths import ROOT
from tests.support.process import descendants, ended_processor_seconds, processor_seconds
from tests.support.program import Program, serving_program
from tests.support.speech import PAGE_SECONDS, SENTENCES, send_live, spoken, with_silence
from tests.support.word_errors import word_errors

FORMERLY = "speech_gateway/embedded/recognizer_process.py"
"""The file whose last commit but one has the former engine."""
TEN_SENTENCES = (
    *SENTENCES,
    "My sister plays the piano every evening.",
    "It was a bright cold day in April.",
    "Please call me back after lunch on Monday.",
    "The train to the city leaves at seven.",
    "We walked along the river until it was dark.",
    "Nobody knows what the future will bring us.",
)
TEN_WORDS = "The quick brown fox jumps over the lazy dog today."
UTTERANCE = SENTENCES[1]
AT_ONCE = (1, 4, 8)
TIMES = 5
"""Requests of each of those at once."""
SILENCE_SECONDS = 6.0

Figures = dict[str, float]


@dataclass(frozen=True)
class Peer:
    """An engine to measure."""

    name: str
    folder: Path


@contextmanager
def former_engine() -> Iterator[Peer | None]:
    """Check out the former engine; None where the history does not reach back to it."""
    found = _git("rev-list", "-2", "HEAD", "--", FORMERLY).split()
    if len(found) < 2:
        print(f"the former engine is not tried: no commit has {FORMERLY}", file=sys.stderr)
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "former")
        _git("worktree", "add", "--detach", str(tree), f"{found[0]}^")
        try:
            yield Peer("PocketSphinx, espeak-ng", tree)
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True
    ).stdout


class Family:
    """A program with all processes that descend from it."""

    def __init__(self, program: Program) -> None:
        self._root = program.process.pid

    def _all(self) -> list[int]:
        return [self._root, *descendants(self._root)]

    def processor_seconds(self) -> float:
        """Return what all have taken, those included that have ended."""
        return sum(processor_seconds(pid) + ended_processor_seconds(pid) for pid in self._all())

    def megabytes(self) -> float:
        """Return the memory of all, where a page that several share counts once (Pss)."""
        kilobytes = 0
        for pid in self._all():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            kilobytes += next(
                int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
            )
        return kilobytes / 1024


async def measure(peer: Peer, recorded: list[Clip]) -> Figures:
    """Return an engine's figures."""
    figures: Figures = {}
    started = time.perf_counter()
    async with _running(peer) as program:
        figures["ready after, s"] = time.perf_counter() - started
        log = asyncio.create_task(program.pass_on_log("ERROR"))
        family = Family(program)
        await _hear(program, await _speak(program, UTTERANCE))
        await asyncio.sleep(1)  # until spare workers are there again
        figures["memory at rest, MB"] = family.megabytes()
        figures |= await _word_errors(program, recorded)
        figures |= await _processor_time(program, family, recorded)
        for at_once in AT_ONCE:
            figures |= await _times(program, at_once)
        figures["memory then, MB"] = family.megabytes()
        log.cancel()
    return figures


@asynccontextmanager
async def _running(peer: Peer) -> AsyncIterator[Program]:
    before = ("env", "-C", str(peer.folder), f"PYTHONPATH={peer.folder}")
    flags = ("--skit-url", "embedded", "--openai", "--max-concurrency", str(max(AT_ONCE)))
    async with serving_program(*flags, before=before) as program:
        yield program


async def _speak(program: Program, text: str) -> bytes:
    async with await connect(program.port) as client:
        answer = await client.speak(text.encode())
    assert answer.status == 200, answer.text
    return answer.body


async def _hear(program: Program, speech: bytes) -> str:
    async with await connect(program.port) as client:
        answer = await client.ask("POST", "/stt", {"Content-Type": "audio/ogg"}, speech)
    assert answer.status == 200, answer.text
    return " ".join(json.loads(line)["text"] for line in answer.text.splitlines())


async def _hear_wav(program: Program, wav: bytes) -> str:
    async with await connect(program.port) as client:
        answer = await send_form(client, [("file", wav)])
    return str(json.loads(answer.body)["text"])


async def _word_errors(program: Program, recorded: list[Clip]) -> Figures:
    figures: Figures = {}
    if recorded:
        wrong = [word_errors(clip.text, await _hear_wav(program, clip.wav)) for clip in recorded]
        figures["wrong of 70 recorded words"] = sum(wrong)
    wrong = [
        word_errors(text, await _hear(program, await _speak(program, text)))
        for text in TEN_SENTENCES
    ]
    words = sum(len(text.split()) for text in TEN_SENTENCES)
    figures[f"wrong of {words} words of its own"] = sum(wrong)
    return figures


async def _processor_time(program: Program, family: Family, recorded: list[Clip]) -> Figures:
    before = family.processor_seconds()
    spoken_seconds = sum([seconds_of(await _speak(program, text)) for text in TEN_SENTENCES])
    speaking = family.processor_seconds() - before
    figures = {"speaking, processor s per s": speaking / spoken_seconds}
    if recorded:
        before = family.processor_seconds()
        for clip in recorded:
            await _hear_wav(program, clip.wav)
        hearing = family.processor_seconds() - before
        figures["hearing, processor s per s"] = hearing / sum(clip.seconds for clip in recorded)
    return figures


async def _times(program: Program, at_once: int) -> Figures:
    first = await _together(at_once, lambda: _first_audio(program))
    whole = spoken(UTTERANCE)
    heard = await _together(at_once, lambda: _timed(_hear(program, whole)))
    live = await _together(at_once, lambda: _after_the_last_word(program))
    return {
        f"first audio, {at_once} at once, p50 ms": _percentile(first, 50),
        f"first audio, {at_once} at once, p99 ms": _percentile(first, 99),
        f"2 s of speech to text, {at_once} at once, p50 ms": _percentile(heard, 50),
        f"last word to text, {at_once} at once, p50 ms": _percentile(live, 50),
        f"last word to text, {at_once} at once, p99 ms": _percentile(live, 99),
    }


async def _together(at_once: int, request: Callable[[], Awaitable[float]]) -> list[float]:
    """Return how many seconds each of TIMES requests took, of each of at_once clients."""

    async def client() -> list[float]:
        took = []
        for _ in range(TIMES):
            took.append(await request())
            await asyncio.sleep(0.2)
        return took

    by_client = await asyncio.gather(*(client() for _ in range(at_once)))
    return [one for took in by_client for one in took]


def _percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    if len(seconds) == 1:
        return 1000 * seconds[0]
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


async def _timed(request: Awaitable[object]) -> float:
    since = time.perf_counter()
    await request
    return time.perf_counter() - since


async def _first_audio(program: Program) -> float:
    async with await connect(program.port) as client:
        return await first_byte(client, "/tts", {}, TEN_WORDS.encode())


async def _after_the_last_word(program: Program) -> float:
    """Speak live, fall silent, and return when the transcript came, after the last word's end."""
    pages = cut_at_pages(with_silence(spoken(UTTERANCE), SILENCE_SECONDS))
    words = int(seconds_of(spoken(UTTERANCE)) / PAGE_SECONDS)
    async with await connect(program.port) as client:
        client.begin_upload()
        speaking = asyncio.create_task(send_live(client, pages))
        ended = time.perf_counter() + words * PAGE_SECONDS
        await client.head()
        assert await client.piece()
        took = time.perf_counter() - ended
        speaking.cancel()
        return took


def table(results: dict[str, Figures]) -> str:
    """Return the figures for people."""
    names = list(results)
    lines = [f"{'':44}" + "".join(f"{name:>26}" for name in names)]
    for figure in results[names[0]]:
        cells = (results[name].get(figure) for name in names)
        shown = (f"{cell:26.2f}" if cell is not None else f"{'-':>26}" for cell in cells)
        lines.append(f"{figure:44}" + "".join(shown))
    return "\n".join(lines)


async def bench() -> dict[str, Figures]:
    """Measure both engines, one after the other."""
    recorded = clips()
    if not recorded:
        print("no recorded speech: apt install pocketsphinx-testdata", file=sys.stderr)
    with former_engine() as former:
        peers = [Peer("Whisper, Heart", ROOT), *([former] if former is not None else [])]
        return {peer.name: await measure(peer, recorded) for peer in peers}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    arguments = parser.parse_args()
    results = uvloop.run(bench())
    print(table(results))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"machine": machine(), "engines": results}, indent=2))


if __name__ == "__main__":
    main()
