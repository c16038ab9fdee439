"""onnxruntime, kept from telling its maker of each model that is loaded."""

import os


def forbid_telemetry() -> None:
    """Call this before onnxruntime is imported: importing it starts its telemetry otherwise."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
