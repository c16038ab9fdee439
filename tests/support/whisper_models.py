"""Builds small Whisper models with random weights, for tests without a network.

`make_model` writes a folder that faster-whisper loads like any other CTranslate2 Whisper model.
What it "hears" is nonsense, but the vocabulary, the language detection, the tasks, the timestamps
and the word times all take the same code paths as with a downloaded model. The same seed gives
the same files. It finds words in silence too, and segments may end after the audio does. Keep the
audio short: with word times, a window may get on by only a part of a second.

Three facts shape what is built:

- CTranslate2 calls a model multilingual when its vocabulary has an empty token, as the real ones
  do, and did so in older releases when it had at least 51865 tokens. The models here have both.
  Made-up words take the place of the real ones, so the ids are those of the real models.
- The token embedding is then nearly all of the model, so it's narrow, and stored as int8.
- faster-whisper decodes again, up to six times, when a model isn't sure of its words. The weights
  are large enough for it to be sure most of the time, which also keeps the tests quick.
"""

import importlib
import json
from collections.abc import Iterator
from itertools import islice, product
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# in Whisper's order, which gives each language its token id
LANGUAGE_LIST: Final = """
    en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur
    hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si
    km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln
    ha ba jw su
"""
LANGUAGES: Final = tuple(LANGUAGE_LIST.split())
TASKS: Final = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
TIMESTAMPS: Final = tuple(f"<|{step * 0.02:.2f}|>" for step in range(1501))  # 0.00 to 30.00

BYTES: Final = 256
MADE_UP_WORDS: Final = 50000

WIDTH: Final = 32
HEADS: Final = 2
MELS: Final = 80
AUDIO_POSITIONS: Final = 1500
TEXT_POSITIONS: Final = 448

# Found by trial, so that other audio gives other words, and a window short sentences, often in a
# few segments. Larger embeddings make the model surer of its words; larger text positions keep it
# from saying the same word again and again.
EMBEDDING_SCALE: Final = 1.6
TEXT_POSITION_SCALE: Final = 6.0
AUDIO_POSITION_SCALE: Final = 0.1  # less than what is heard at that place
QUERY_SCALE: Final = 6.0  # heeds a few places of the audio, not all of them alike
HEARD_SCALE: Final = 4.0
END_BIAS: Final = 20.0
NEVER: Final = -100.0

Floats = NDArray[np.float32]


def make_model(folder: Path, *, multilingual: bool = True, seed: int = 0) -> Path:
    """Write a Whisper model with random weights into the folder, and return the folder.

    With multilingual false, it's laid out like the English-only models, such as tiny.en.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = _words(multilingual=multilingual)
    controls = _controls()
    tokens = [*words, *controls, *TIMESTAMPS]
    _write_tokenizer(folder / "tokenizer.json", words, controls)
    _write_model(folder, tokens, np.random.default_rng(seed))
    return folder


# the tokens


def _words(*, multilingual: bool) -> list[str]:
    """All tokens of text: the 256 bytes first, as in every Whisper model, then made-up words."""
    byte_tokens = _byte_tokens()
    made_up = islice(_made_up_words(byte_tokens[_place_of(" ")]), MADE_UP_WORDS)
    return [*byte_tokens, *made_up, *([""] if multilingual else [])]


def _byte_tokens() -> list[str]:
    """One printable character for each byte, in the order of GPT-2's vocabulary."""
    printable = _printable_bytes()
    return [*map(chr, printable), *(chr(BYTES + place) for place in range(BYTES - len(printable)))]


def _printable_bytes() -> list[int]:
    """The bytes that stand for themselves; a letter from 256 up stands for each other byte."""
    return [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]


def _place_of(character: str) -> int:
    """Where the byte of an ASCII character is in the order of GPT-2's vocabulary."""
    printable = _printable_bytes()
    others = [byte for byte in range(BYTES) if byte not in printable]
    return [*printable, *others].index(ord(character))


def _made_up_words(space: str) -> Iterator[str]:
    """51200 words of five letters; each fourth one goes on with the word before it."""
    syllables = ["".join(pair) for pair in product("bdfghjklmnprstvz", "aeiou")]
    for place, parts in enumerate(product(syllables, syllables, "dklmnrst")):
        yield "".join(parts) if place % 4 == 3 else space + "".join(parts)


def _controls() -> list[str]:
    """The tokens between the words and the timestamps, from <|endoftext|> on."""
    names = ("endoftext", "startoftranscript", *LANGUAGES, *TASKS)
    return [f"<|{name}|>" for name in names]


def _write_tokenizer(path: Path, words: list[str], controls: list[str]) -> None:
    """A byte-level BPE without merges: it reads any text, a byte to a token."""
    added = [
        _added_token(len(words) + place, text, special=place < len(controls))
        for place, text in enumerate([*controls, *TIMESTAMPS])
    ]
    bpe = {"type": "BPE", "vocab": {word: token for token, word in enumerate(words)}, "merges": []}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": bpe,
    }
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def _added_token(token: int, text: str, *, special: bool) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token, "content": text, "special": special, **flags}


# the weights


def _write_model(folder: Path, tokens: list[str], rng: np.random.Generator) -> None:
    """Write model.bin, config.json and vocabulary.json."""
    # CTranslate2 has no types, so mypy is told nothing of it
    specs: Any = importlib.import_module("ctranslate2.specs.whisper_spec")
    spec = specs.WhisperSpec(1, HEADS, 1, HEADS)
    _fill_encoder(spec.encoder, rng)
    _fill_decoder(spec.decoder, tokens, rng)
    _fill_config(spec.config, tokens)
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))


def _fill_config(config: Any, tokens: list[str]) -> None:
    first_language = tokens.index("<|en|>")
    config.lang_ids = list(range(first_language, first_language + len(LANGUAGES)))
    config.suppress_ids = [tokens.index(f"<|{task}|>") for task in TASKS[:-1]]
    config.suppress_ids_begin = [_place_of(" "), tokens.index("<|endoftext|>")]
    config.alignment_heads = [[0, head] for head in range(HEADS)]  # of layer 0, the only one


def _fill_encoder(encoder: Any, rng: np.random.Generator) -> None:
    _fill_convolution(encoder.conv1, rng, inputs=MELS)
    _fill_convolution(encoder.conv2, rng, inputs=WIDTH)
    positions = _random(rng, AUDIO_POSITIONS, WIDTH, scale=AUDIO_POSITION_SCALE)
    encoder.position_encodings.encodings = positions
    _fill_norm(encoder.layer_norm)
    layer = encoder.layer[0]
    _fill_self_attention(layer.self_attention, rng)
    _fill_feed_forward(layer.ffn, rng)


def _fill_decoder(decoder: Any, tokens: list[str], rng: np.random.Generator) -> None:
    embedding = _random(rng, len(tokens), WIDTH, scale=EMBEDDING_SCALE)
    decoder.embeddings.weight = embedding
    decoder.projection.weight = embedding  # one matrix for both, as in every Whisper model
    decoder.projection.bias = _token_biases(tokens)
    positions = _random(rng, TEXT_POSITIONS, WIDTH, scale=TEXT_POSITION_SCALE)
    decoder.position_encodings.encodings = positions
    _fill_norm(decoder.layer_norm)
    layer = decoder.layer[0]
    _fill_self_attention(layer.self_attention, rng)
    _fill_cross_attention(layer.attention, rng)
    _fill_feed_forward(layer.ffn, rng)


def _token_biases(tokens: list[str]) -> Floats:
    """Leave only made-up words, timestamps and the end to choose from.

    Single bytes are left out since they could end a text within a character. All languages get
    the same bias, so it doesn't change which one is detected.
    """
    biases = np.zeros(len(tokens), dtype=np.float32)
    biases[:BYTES] = NEVER
    biases[BYTES + MADE_UP_WORDS : tokens.index(TIMESTAMPS[0])] = NEVER
    biases[tokens.index("<|endoftext|>")] = END_BIAS
    return biases


def _fill_self_attention(attention: Any, rng: np.random.Generator) -> None:
    _fill_norm(attention.layer_norm)
    _fill_linear(attention.linear[0], rng, outputs=3 * WIDTH)  # queries, keys and values
    _fill_linear(attention.linear[1], rng)


def _fill_cross_attention(attention: Any, rng: np.random.Generator) -> None:
    _fill_norm(attention.layer_norm)
    _fill_linear(attention.linear[0], rng, scale=QUERY_SCALE)
    _fill_linear(attention.linear[1], rng, outputs=2 * WIDTH)  # keys and values
    _fill_linear(attention.linear[2], rng, scale=HEARD_SCALE)


def _fill_feed_forward(ffn: Any, rng: np.random.Generator) -> None:
    _fill_norm(ffn.layer_norm)
    _fill_linear(ffn.linear_0, rng, outputs=4 * WIDTH)
    _fill_linear(ffn.linear_1, rng, inputs=4 * WIDTH)


def _fill_linear(
    linear: Any,
    rng: np.random.Generator,
    *,
    inputs: int = WIDTH,
    outputs: int = WIDTH,
    scale: float = 1.0,
) -> None:
    linear.weight = _random(rng, outputs, inputs, scale=scale / sqrt(inputs))
    linear.bias = np.zeros(outputs, dtype=np.float32)


def _fill_convolution(convolution: Any, rng: np.random.Generator, *, inputs: int) -> None:
    kernel = 3
    scale = 1 / sqrt(inputs * kernel)
    convolution.weight = _random(rng, WIDTH, inputs, kernel, scale=scale)
    convolution.bias = np.zeros(WIDTH, dtype=np.float32)


def _fill_norm(norm: Any) -> None:
    norm.gamma = np.ones(WIDTH, dtype=np.float32)
    norm.beta = np.zeros(WIDTH, dtype=np.float32)


def _random(rng: np.random.Generator, *shape: int, scale: float) -> Floats:
    return np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)
