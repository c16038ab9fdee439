"""Opens connections to the backend, and reuses idle ones."""

import asyncio
import ssl

from ..config.addresses import UpstreamAddress
from ..errors import UnreachableError, UpstreamTimeoutError
from ..timeout_checker import TimeoutChecker
from .backend_state import SignsOfLife
from .connection import UpstreamConnection
from .idle_pool import IdlePool


class Connector:
    """Opens connections to one address, and keeps idle ones; timeouts in seconds."""

    def __init__(
        self,
        address: UpstreamAddress,
        signs: SignsOfLife,
        *,
        timeout: float,
        open_timeout: float,
        max_idle: int,
    ) -> None:
        self.address = address
        self._signs = signs
        self._idle = IdlePool(max_idle)
        self._timeout = timeout
        self._checker = TimeoutChecker(timeout)
        self._open_timeout = open_timeout
        # Reading the authorities' certificates takes milliseconds: once.
        self._tls = ssl.create_default_context() if address.tls else None

    async def connect(self) -> UpstreamConnection:
        """Return an exchange on a new connection.

        Raises:
            UpstreamTimeoutError: it did not open in time.
            UnreachableError: it was refused.
        """
        try:
            async with asyncio.timeout(self._open_timeout):
                return await self._open()
        except TimeoutError:
            raise UpstreamTimeoutError(f"no connection within {self._open_timeout:g} s") from None
        except (OSError, UnicodeError) as error:  # UnicodeError: no name that DNS could know
            raise UnreachableError(f"no connection: {error}") from error

    def reuse(self) -> UpstreamConnection | None:
        """Return an exchange on an idle connection; None when there is none.

        The backend may be closing it at this very moment.
        """
        transport = self._idle.take()
        if transport is None:
            return None
        upstream = UpstreamConnection(self._timeout, self._checker, self._signs)
        transport.set_protocol(upstream)
        upstream.begin(transport)
        return upstream

    def finish(self, upstream: UpstreamConnection) -> None:
        """Keep the connection of a finished exchange if it can be reused, else break it."""
        if upstream.reusable:
            self._idle.put(upstream.release())
        else:
            upstream.close()

    def close(self) -> None:
        """Close the idle connections."""
        self._idle.close()
        self._checker.stop()

    async def _open(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        address = self.address
        upstream = UpstreamConnection(self._timeout, self._checker, self._signs)
        try:
            if address.unix_path is not None:
                await loop.create_unix_connection(lambda: upstream, address.unix_path)
            else:
                await loop.create_connection(
                    lambda: upstream, address.host, address.port, ssl=self._tls
                )
        except BaseException:
            # Cancelled just as it succeeded, uvloop may not tell that the connection is lost again.
            upstream.close()
            raise
        return upstream
