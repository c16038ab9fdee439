"""The bundled engine: StreamKit's protocol, with Whisper, a natural voice and espeak-ng.

It is a process of its own. The gateway knows only its address, and how to start it (launcher).
"""
