"""The HTTP APIs that clients use; each is a module or a package, on the same pipelines."""
