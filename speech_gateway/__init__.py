"""A gateway that turns plain HTTP into speech, and speech into text."""

__version__ = "0.2.0"
