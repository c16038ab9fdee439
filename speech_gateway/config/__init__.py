"""The settings: what they are, where they come from, and the files that they name."""
