"""Wyoming, the protocol of Home Assistant's voice assistants: JSON lines and raw audio over TCP."""
