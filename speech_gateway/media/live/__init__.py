"""Live audio: one process listens to all live connections, and finds where speech is."""
