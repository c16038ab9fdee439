"""The HTTP client of the backend: connections, calls, and the parsing of answers."""
