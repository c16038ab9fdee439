"""onnxruntime, kept from telling its maker of each model that is loaded."""

import os

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1"}
"""What the environment must say before onnxruntime is imported, which starts its telemetry."""


def forbid_telemetry() -> None:
    """Call this before onnxruntime is imported."""
    os.environ.update(NO_TELEMETRY)
