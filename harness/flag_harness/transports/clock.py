"""The real clock."""

import threading
import time


class SystemClock:
    """A real clock whose waits take `pace` times as long: 1 is the original time, 0.1 is ten times as fast.

    The clock always advances by the full wait, so latencies that are measured on it do not depend on the pace.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self._skipped_seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the current time on this clock, in seconds."""
        return time.perf_counter() + self._skipped_seconds

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds` times the clock's pace."""
        time.sleep(max(seconds, 0.0) * self.pace)
        self._skip_seconds(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Wait for `seconds` times the clock's pace, while other tasks run."""
        import anyio  # the SDK brings it; only imported if somebody waits

        await anyio.sleep(max(seconds, 0.0) * self.pace)
        self._skip_seconds(seconds)

    def reach_without_waiting(self, moment: float) -> bool:
        """Return whether the clock has reached `moment`."""
        return self.now() >= moment

    def _skip_seconds(self, seconds: float) -> None:
        with self._lock:
            self._skipped_seconds += max(seconds, 0.0) * (1.0 - self.pace)
