"""Home Assistant as it is published, in a process of its own, with no more than Assist set up."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

from tests.support.paths import ROOT
from tests.support.process import free_port, until_it_listens

QUESTION = "Open the window and let the fresh air in."
ANSWER = "The weather tomorrow will be cold and dry."
"""What Assist says when it has heard the question."""
CONFIGURATION = Template("""\
homeassistant:
  time_zone: UTC
http:
  server_host: 127.0.0.1
  server_port: $port
config:
assist_pipeline:
media_source:
ffmpeg:
  ffmpeg_bin: $ffmpeg
# Its pages are not installed; nobody looks at them.
frontend:
  development_repo: $folder
conversation:
  intents:
    Question: ["$question"]
intent_script:
  Question:
    speech:
      text: $answer
""")


@asynccontextmanager
async def home_assistant(python: Path, folder: Path) -> AsyncIterator[int]:
    """Run it until the block ends; yield the port of its pages and its API.

    Args:
        python: of the environment that it is installed in.
        folder: for its configuration, and all that it keeps.
    """
    port = free_port()
    configuration = CONFIGURATION.substitute(
        port=port,
        ffmpeg=_ffmpeg(python),
        folder=folder,
        question=QUESTION.rstrip("."),
        answer=ANSWER,
    )
    (folder / "configuration.yaml").write_text(configuration)
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "tests.clients.hass_launcher", "--config", folder, "--skip-pip"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # what it says is in home-assistant.log, too
        stderr=subprocess.DEVNULL,
    )
    try:
        await until_it_listens(port)
        yield port
    finally:
        process.kill()  # it would take its time
        await process.wait()


def _ffmpeg(python: Path) -> Path:
    """Return where the environment has ffmpeg, which makes of speech what a satellite plays."""
    (binary,) = python.parents[1].glob("lib/*/site-packages/imageio_ffmpeg/binaries/ffmpeg-*")
    return binary
