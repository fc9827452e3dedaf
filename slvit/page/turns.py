"""Who is answered now, who waits, and who is told to come back later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from slvit.errors import BusyError

AT_ONCE = 2  # photos in the works: each may take 1 GB while its files are written
WAITING = 24  # fewer than the threads that Gradio has for all handlers together
SECONDS = 60.0


class Turns:
    """At most `at_once` callers inside `turn()`, at most `waiting` before it, none of them for longer than `seconds`.

    A place is given back however its work ends. The endpoints are not in Gradio's queue, so this is their queue.
    """

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING, seconds: float = SECONDS) -> None:
        self._places = threading.Semaphore(at_once)
        self._most = at_once + waiting
        self._seconds = seconds
        self._here = 0  # inside or waiting
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a place and holds it. Raises BusyError when too many wait or it takes too long."""
        with self._lock:
            if self._here >= self._most:
                raise BusyError("Too many visitors are asking at once: try again in a minute.")
            self._here += 1
        try:
            if not self._places.acquire(timeout=self._seconds):
                raise BusyError(f"No answer could be started within {self._seconds:g} seconds: try again in a minute.")
            try:
                yield
            finally:
                self._places.release()
        finally:
            with self._lock:
                self._here -= 1
