"""Clients of OpenAI's live transcription, as their makers publish them, against the gateway.

Each script runs in its client's own environment, below .venv-clients: it imports that client, the
standard library and ``recording``, and nothing else of this repository.
"""
