"""What is done to the samples of a sentence before they are encoded."""

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Samples of one channel, between -1 and 1."""

RATE = 24_000
"""Samples a second, of every voice."""
LOUDNESS = 0.1
"""Root mean square of a sentence's loud parts: 20 dB under full scale."""
PEAK = 0.6
"""The highest sample: true peaks, and what Opus adds to them, stay under -1 dB."""
MOST_GAIN = 10.0
_BLOCK = RATE // 50
"""Samples of which the loudness is looked at together."""
_SILENCE = 0.02
"""Of the loudest block's root mean square; below it a block is silence."""
_LOUD = 0.2
"""The same, from which on a block counts for the loudness."""
_MARGIN = RATE // 40
_FADE = RATE // 200


def evened(samples: Samples) -> Samples:
    """Return samples at the loudness that all sentences have, without silence around them.

    They begin and end softly, so that nothing clicks where they are joined.
    """
    blocks = len(samples) // _BLOCK
    if blocks == 0:
        return samples[:0]
    levels = np.sqrt(np.square(samples[: blocks * _BLOCK]).reshape(blocks, _BLOCK).mean(axis=1))
    loudest = float(levels.max())
    if loudest == 0.0:
        return samples[:0]
    sounding = np.flatnonzero(levels > _SILENCE * loudest)
    first, last = int(sounding[0]), int(sounding[-1]) + 1
    kept = samples[max(first * _BLOCK - _MARGIN, 0) : last * _BLOCK + _MARGIN]
    loud = levels[levels > _LOUD * loudest]
    level = float(np.sqrt(np.square(loud).mean()))
    peak = float(np.abs(kept).max())
    made: Samples = kept * min(LOUDNESS / level, PEAK / peak, MOST_GAIN)
    ramp = np.linspace(0, 1, min(_FADE, len(made)), dtype=np.float32)
    made[: len(ramp)] *= ramp
    made[len(made) - len(ramp) :] *= ramp[::-1]
    return made


def resampled(samples: bytes, rate: int) -> Samples:
    """Return 16-bit mono samples of another rate as samples at RATE."""
    resampler = AudioResampler("fltp", "mono", RATE)
    frame = AudioFrame("s16", "mono", len(samples) // 2)
    frame.sample_rate = rate
    frame.planes[0].update(samples)
    return _joined([*resampler.resample(frame), *resampler.resample(None)])


def faster(samples: Samples, factor: float) -> Samples:
    """Return samples spoken faster by factor, up to 100, at the same pitch."""
    graph = Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=RATE, layout="mono", time_base=None)
    tempo = graph.add("atempo", str(factor))
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    graph.push(frame_of(samples))
    graph.push(None)
    frames: list[AudioFrame] = []
    while (frame := _pulled(graph)) is not None:
        frames.append(frame)
    return _joined(frames)


def frame_of(samples: Samples) -> AudioFrame:
    """Return samples as libav has them."""
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), "fltp", "mono")
    frame.sample_rate = RATE
    return frame


def _pulled(graph: Graph) -> AudioFrame | None:
    try:
        frame = graph.pull()
    except (BlockingIOError, EOFError):
        return None
    assert isinstance(frame, AudioFrame)
    return frame


def _joined(frames: list[AudioFrame | None] | list[AudioFrame]) -> Samples:
    arrays = [frame.to_ndarray()[0] for frame in frames if frame is not None]
    return np.concatenate(arrays) if arrays else np.empty(0, np.float32)
