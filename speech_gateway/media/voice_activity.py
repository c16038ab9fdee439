"""Silero VAD: how probably each 32 ms of audio hold speech."""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .onnx_runtime import forbid_telemetry

RATE = 16_000
"""Samples a second that the model hears."""
FRAME = 512
"""Samples that it judges at a time."""
_CONTEXT = 64
"""Samples before a frame that it looks at again."""
_STATE_SHAPE = (1, 1, 128)
_SCALE = 1 / 32768


def model_path() -> Path:
    """Return the model's file, which the package faster-whisper carries (Silero VAD 6, MIT).

    The package itself is not imported: a worker needs nothing else of it.
    """
    package = importlib.util.find_spec("faster_whisper")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "assets" / "silero_vad_v6.onnx"


class VoiceModel:
    """The model, which is loaded once for many streams."""

    def __init__(self) -> None:
        forbid_telemetry()
        import onnxruntime  # noqa: PLC0415 - only now

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a fork has one thread
        options.enable_cpu_mem_arena = False
        self.session = onnxruntime.InferenceSession(
            str(model_path()), options, providers=["CPUExecutionProvider"]
        )


class VoiceActivity:
    """Judges one stream; what it has heard counts for what follows."""

    def __init__(self, model: VoiceModel) -> None:
        self._session = model.session
        self._context = np.zeros(_CONTEXT, np.float32)
        self._h = np.zeros(_STATE_SHAPE, np.float32)
        self._c = np.zeros(_STATE_SHAPE, np.float32)

    def probabilities(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the probability of speech in each frame of samples, whole frames at 16 kHz."""
        frames = (samples.astype(np.float32) * _SCALE).reshape(-1, FRAME)
        before = np.vstack([self._context, frames[:-1, -_CONTEXT:]])
        self._context = frames[-1, -_CONTEXT:]
        heard, self._h, self._c = self._session.run(
            None, {"input": np.hstack([before, frames]), "h": self._h, "c": self._c}
        )
        probabilities: NDArray[np.float32] = heard.reshape(-1)
        return probabilities
