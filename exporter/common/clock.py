"""The machine's own clock behind the ``Clock`` seam."""

import asyncio
import time


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def steady(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
