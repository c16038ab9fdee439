"""Containers and codecs: uploads of many formats to the backend's, and its audio to others."""
