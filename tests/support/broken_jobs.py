"""Jobs that cannot be loaded, as where a codec's library is missing."""

raise ImportError("libavformat.so: cannot open shared object file")
