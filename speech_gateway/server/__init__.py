"""The gateway as a server: start and end, listeners, what clients send and are sent."""
