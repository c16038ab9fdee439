"""The bundled engine: StreamKit's protocol, with espeak-ng and PocketSphinx.

It is a process of its own. The gateway knows only its address, and how to start it (launcher).
"""
