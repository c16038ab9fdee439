"""Where things are, whichever folder a test stands in."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CASES = ROOT / "tests" / "cases"
"""Bytes from the real world."""
