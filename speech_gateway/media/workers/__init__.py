"""Conversions of media in processes of their own, which can be killed and have nothing to steal.

The gateway (``pool``, ``conversion``) starts a fork server (``fork_server``), which has imported
the codecs, and asks it for a worker (``worker``) for each conversion. The worker does one job
(``work``) in a sandbox, and is gone when its request is.
"""
