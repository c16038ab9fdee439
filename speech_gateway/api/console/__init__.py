"""The console: a page at / that tries everything, for people with a browser."""
