"""Whisper, by faster-whisper: one utterance to text."""

import ctypes
import logging
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations
from numpy.typing import NDArray

from ...media.voice_activity import RATE
from ..model_folder import packaged_weights
from ..pipeline_params import TranscribePlan

WINDOW_SECONDS = 30
"""Seconds that the model hears at once."""
SHORT_WINDOW_SECONDS, SHORT_WINDOW_SILENCE = 15, 6
"""Of an utterance, with the silence after it: half the work, and as few wrong words.

Measured with the packaged weights, and used for them alone; with less silence they repeat
themselves.
"""
BEAM = 5
TEMPERATURES = (0.2, 0.4, 0.8)
"""Tried one after another for what was not understood (the Whisper paper, section 4.5)."""
MOST_REPETITIVE = 2.4
"""Of a text's size to its compressed size; one that repeats itself is over it."""
LEAST_LOG_PROBABILITY = -1.0
NO_SPEECH, UNLIKELY = 0.6, -0.5
"""Where the model thinks that nobody speaks, and its text is unlikely, there is no text."""
MOST_TOKENS = 224
_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - as they are written

log = logging.getLogger(__name__)


class ModelError(Exception):
    """The model cannot be used; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word; times in seconds from the utterance's beginning."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in an utterance."""

    text: str
    language: str
    probability: float
    """The mean probability of the tokens, as the model sees it."""
    words: Sequence[Word] = ()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A text that the model made."""

    tokens: Sequence[int]
    text: str
    log_probability: float
    no_speech: float

    @property
    def is_understood(self) -> bool:
        """Whether it is likely, and does not repeat itself."""
        data = self.text.encode()
        repetition = len(data) / len(zlib.compress(data)) if data else 0.0
        return self.log_probability >= LEAST_LOG_PROBABILITY and repetition <= MOST_REPETITIVE

    @property
    def is_silence(self) -> bool:
        return self.no_speech > NO_SPEECH and self.log_probability < UNLIKELY


class Whisper:
    """A model, loaded once for all threads."""

    def __init__(self, folder: Path, *, at_once: int) -> None:
        """Load the model in folder, to be used by at_once threads; raises ModelError."""
        self._model = _load(folder, at_once)
        ctypes.CDLL(None).malloc_trim(0)  # what reading the weights took, more than they take
        self._saves_work = folder == packaged_weights()
        self.translates: bool = self._model.model.is_multilingual
        self.languages: Sequence[str] = self._model.supported_languages
        self._try()

    def transcribe(self, samples: bytes, plan: TranscribePlan) -> Heard | None:
        """Return what is said in 16-bit samples, mono, 16 kHz; None if that is nothing."""
        audio = np.frombuffer(samples, np.int16).astype(np.float32) / np.float32(32768)
        window = self._window(len(audio))
        encoded = self._encoded(audio, window)
        language = plan.language
        if language == "auto":
            language = self._language(encoded)
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self.translates, task=plan.task, language=language
        )
        attempt = self._decoded(encoded, tokenizer, 0.0)
        if not (attempt.is_understood or attempt.is_silence):
            encoded = self._encoded(audio, WINDOW_SECONDS * RATE)
            attempt = self._tried_again(encoded, tokenizer, attempt)
        if attempt.is_silence or not attempt.text:
            return None
        words = self._words(encoded, tokenizer, attempt, len(audio)) if plan.word_timestamps else ()
        return Heard(attempt.text, language, math.exp(attempt.log_probability), words)

    def _try(self) -> None:
        """Hear a second of silence: the first time takes longer; raises ModelError."""
        try:
            self.transcribe(bytes(2 * RATE), TranscribePlan())
        except Exception as error:  # of wrong shapes, too
            raise ModelError(
                f"loads but does not run: {error}. Where a service may make no memory executable "
                "(systemd's MemoryDenyWriteExecute), it has to be allowed to"
            ) from error

    def _window(self, samples: int) -> int:
        """Return how many samples the model is given, with the silence after the utterance."""
        if not self._saves_work:
            return WINDOW_SECONDS * RATE
        needed = samples + SHORT_WINDOW_SILENCE * RATE
        return min(max(needed, SHORT_WINDOW_SECONDS * RATE), WINDOW_SECONDS * RATE)

    def _encoded(self, audio: NDArray[np.float32], window: int) -> ctranslate2.StorageView:
        frame = 2 * self._model.feature_extractor.hop_length  # of the encoder's output
        window -= window % frame
        padded = np.pad(audio[:window], (0, max(0, window - len(audio))))
        features = self._model.feature_extractor(padded, padding=0)
        return self._model.encode(features[:, : window // self._model.feature_extractor.hop_length])

    def _language(self, encoded: ctranslate2.StorageView) -> str:
        if not self.translates:
            return "en"
        token, _ = self._model.model.detect_language(encoded)[0][0]
        return str(token)[2:-2]  # <|en|>

    def _decoded(
        self, encoded: ctranslate2.StorageView, tokenizer: Tokenizer, temperature: float
    ) -> _Attempt:
        search = {"beam_size": 1, "sampling_topk": 0} if temperature else {"beam_size": BEAM}
        made = self._model.model.generate(
            encoded,
            [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
            max_length=MOST_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
            sampling_temperature=temperature or 1.0,
            **search,
        )[0]
        tokens = made.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        # The score is a mean without the end's token.
        log_probability = made.scores[0] * len(tokens) / (len(tokens) + 1)
        return _Attempt(tokens, text, log_probability, made.no_speech_prob)

    def _tried_again(
        self, encoded: ctranslate2.StorageView, tokenizer: Tokenizer, first: _Attempt
    ) -> _Attempt:
        """Return the first attempt that is understood, or else the likeliest."""
        attempts = [first]
        for temperature in (0.0, *TEMPERATURES):
            attempts.append(self._decoded(encoded, tokenizer, temperature))
            if attempts[-1].is_understood or attempts[-1].is_silence:
                return attempts[-1]
        return max(attempts, key=lambda attempt: attempt.log_probability)

    def _words(
        self,
        encoded: ctranslate2.StorageView,
        tokenizer: Tokenizer,
        attempt: _Attempt,
        samples: int,
    ) -> list[Word]:
        tokens = [token for token in attempt.tokens if token < tokenizer.eot]
        frames = samples // self._model.feature_extractor.hop_length
        (found,) = self._model.find_alignment(tokenizer, [tokens], encoded, frames)
        merge_punctuations(found, _PREPENDED, _APPENDED)
        end = samples / RATE
        return [
            Word(
                word["word"].strip(),
                min(float(word["start"]), end),
                min(float(word["end"]), end),
                float(word["probability"]),
            )
            for word in found
            if word["word"].strip()
        ]


def _load(folder: Path, at_once: int) -> WhisperModel:
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is fetched, whatever a folder lacks
    if ctranslate2.get_cuda_device_count() > 0:
        try:
            return WhisperModel(str(folder), device="cuda", local_files_only=True)
        except (RuntimeError, ValueError) as error:
            log.warning("Whisper runs on the processor; the GPU cannot be used: %s", error)
    try:
        return WhisperModel(
            str(folder),
            device="cpu",
            compute_type="int8",
            cpu_threads=1,  # more of them make one utterance no faster, and several slower
            num_workers=at_once,
            local_files_only=True,
        )
    except Exception as error:  # whatever is in the files
        raise ModelError(
            f"must be a CTranslate2 Whisper model; it does not load: {error}"
        ) from error
