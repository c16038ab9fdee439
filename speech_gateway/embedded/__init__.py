"""The bundled engine: StreamKit's protocol, spoken by espeak-ng and heard by PocketSphinx.

A process of its own. The gateway knows nothing of it but its address.
"""
