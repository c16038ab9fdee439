"""Tasks that are given up."""

import asyncio


async def cancel_and_wait(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks and wait until they have ended; how they ended is of no interest any more.

    Their exceptions are fetched: that of a task for which only asyncio.wait waits "was never
    retrieved", and the log says so with a traceback.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
