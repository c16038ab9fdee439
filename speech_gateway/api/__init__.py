"""What clients speak: an API a module or package, on the same pipelines."""
