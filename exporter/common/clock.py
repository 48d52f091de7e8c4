"""The machine's own clock, as the protocol ``Clock`` states it."""

import asyncio
import time


class SystemClock:
    """The clock of this machine and of the running event loop."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def steady(self) -> float:
        """Return seconds that only go forward."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)
