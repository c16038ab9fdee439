"""Opens a model with onnxruntime, on one thread."""

import importlib.util
from pathlib import Path
from typing import Any

from .onnx_runtime import forbid_telemetry


def packaged(package: str, *path: str) -> Path:
    """Return a model's file in an installed package, of which nothing is imported."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent.joinpath(*path)


def open_model(path: Path, *, arena: bool = False) -> Any:
    """Return a session of the model in a file; with an arena it keeps memory, and is faster."""
    forbid_telemetry()
    import onnxruntime  # noqa: PLC0415 - only now

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a fork has one thread
    options.enable_cpu_mem_arena = arena
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
