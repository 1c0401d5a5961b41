"""The real clock."""

import threading
import time


class SystemClock:
    """Real time, on which a wait takes `pace` times as long: 1 is the original time, 0.1 ten times as fast, 0 at once.

    Time that was not waited for still passes on this clock, so latencies measured on it are those of the data.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the seconds on this clock."""
        return time.perf_counter() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Wait, at the clock's pace."""
        time.sleep(max(seconds, 0.0) * self.pace)
        self._skip_seconds(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Wait, at the clock's pace, while other tasks run."""
        import anyio  # the SDK brings it; only imported if somebody waits

        await anyio.sleep(max(seconds, 0.0) * self.pace)
        self._skip_seconds(seconds)

    def has_reached(self, moment: float) -> bool:
        """Return whether the clock has reached `moment`."""
        return self.now() >= moment

    def _skip_seconds(self, seconds: float) -> None:
        with self._lock:
            self._skipped += max(seconds, 0.0) * (1.0 - self.pace)
