"""Text to speech: which voice speaks, what it is given to say, and how that is put together."""
