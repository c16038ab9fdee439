"""docs/tracing.rst does what it says."""

from pathlib import Path

from tests.support.backend import ScriptedBackend
from tests.support.collector import Collector
from tests.support.documents import TRACING
from tests.support.program import serving_program
from tests.system.test_readme import shell


async def test_traces_are_switched_on_as_it_says(
    backend: ScriptedBackend, collector: Collector, tmp_path: Path
) -> None:
    _, _, plugin = TRACING.command("--plugin").partition("--plugin ")
    reference = plugin.strip("'").replace("http://localhost:4318", collector.url)
    async with serving_program("--skit-url", backend.url, "--plugin", reference) as run:
        await shell(TRACING.command("traceparent"), run.port, tmp_path)
        server, client = await collector.two()

    assert (tmp_path / "fox.ogg").read_bytes() == b"OggS-speech"
    assert {server.trace_id, client.trace_id} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    assert (server.name, client.name) == ("POST /tts", "POST")


async def test_the_configuration_file_switches_them_on_as_it_says(
    backend: ScriptedBackend, collector: Collector, tmp_path: Path
) -> None:
    (block,) = TRACING.code("yaml")
    config = tmp_path / "gateway.yml"
    config.write_text(block.replace("http://localhost:4318", collector.url))

    async with serving_program("--skit-url", backend.url, "--config", str(config)) as run:
        await shell(TRACING.command("traceparent"), run.port, tmp_path)
        await collector.two()
