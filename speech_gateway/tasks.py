"""Cancellation of tasks."""

import asyncio


async def cancel_and_wait(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks, and wait until they have ended; their results are dropped.

    Their exceptions are retrieved: otherwise asyncio logs "exception was never retrieved" for a
    task that only asyncio.wait has waited for.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def is_being_cancelled() -> bool:
    """Return whether the current task is, and not just what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def cancel_for(why: str, task: asyncio.Task[None]) -> None:
    """Cancel a task for a reason, which its CancelledError has, and wait until it has ended."""
    task.cancel(why)
    await asyncio.wait({task})
