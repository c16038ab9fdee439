"""Silero VAD: how probably each 32 ms of audio hold speech."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .libav import SPEECH_RATE
from .onnx_model import open_model, packaged

RATE = SPEECH_RATE
"""Samples a second that the model hears."""
FRAME = 512
"""Samples that it judges at a time."""
CONTEXT = 64
"""Samples before a frame that it looks at again."""
_STATE_SHAPE = (1, 1, 128)
SCALE = 1 / 32768
"""What makes a 16-bit sample one that the model hears."""


def model_path() -> Path:
    """Return the model's file, which the package faster-whisper carries (Silero VAD 6, MIT)."""
    return packaged("faster_whisper", "assets", "silero_vad_v6.onnx")


class VoiceModel:
    """The model, which is loaded once for many streams."""

    def __init__(self) -> None:
        self.session = open_model(model_path())


class VoiceActivity:
    """Judges one stream; what it has heard counts for what follows."""

    def __init__(self, model: VoiceModel) -> None:
        self._session = model.session
        self._context = np.zeros(CONTEXT, np.float32)
        self._h = np.zeros(_STATE_SHAPE, np.float32)
        self._c = np.zeros(_STATE_SHAPE, np.float32)

    def probabilities(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the probability of speech in each frame of samples, whole frames at 16 kHz."""
        frames = (samples.astype(np.float32) * SCALE).reshape(-1, FRAME)
        before = np.vstack([self._context, frames[:-1, -CONTEXT:]])
        self._context = frames[-1, -CONTEXT:]
        heard, self._h, self._c = self._session.run(
            None, {"input": np.hstack([before, frames]), "h": self._h, "c": self._c}
        )
        probabilities: NDArray[np.float32] = heard.reshape(-1)
        return probabilities
