"""Uploads converted in a process of their own, whose memory is looked at."""

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from speech_gateway.media.audio_errors import BadAudioError
from speech_gateway.media.upload_to_opus import convert_upload
from tests.support.converting import Pieces, Written

SAFETY_BYTES = 1 << 30
"""That the process may ask for; a file that claims it all harms no other test."""


@dataclass(frozen=True)
class Bounded:
    """What became of an upload."""

    refusal: str | None
    seconds: float
    grown: int
    """Bytes of memory asked for, used or not."""


def convert_bounded(upload: Path) -> Bounded:
    """Convert a file in a process of its own."""
    command = [sys.executable, "-m", "tests.support.bounded", str(upload)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=40)
    return Bounded(**json.loads(done.stdout))


def _peak() -> int:
    _, _, rest = Path("/proc/self/status").read_text().partition("VmPeak:")
    return int(rest.split()[0]) * 1024


def _main(path: str) -> None:
    data, refusal, written = Path(path).read_bytes(), None, Written()
    before = _peak()
    resource.setrlimit(resource.RLIMIT_AS, (before + SAFETY_BYTES, before + SAFETY_BYTES))
    try:
        convert_upload(Pieces(data), written)
    except BadAudioError as error:
        refusal = str(error)
    outcome = {"refusal": refusal, "seconds": written.seconds, "grown": _peak() - before}
    sys.stdout.write(json.dumps(outcome))


if __name__ == "__main__":
    _main(sys.argv[1])
