"""Containers and codecs: audio of any usual kind to what the backend takes, and back."""
