"""The backend, as a client of its: connections, calls, and what its answers hold."""
