"""OpenAI's audio API on the same pipelines; switched on by a setting."""
