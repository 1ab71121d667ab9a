"""`PageAnswer`: waiting for what only the page can give, such as its picture."""

from __future__ import annotations

import threading

from nasviz.errors import RunError


class PageAnswer:
    """One answer of the page, taken on whatever thread hears it."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._answer = b""

    def take(self, answer: bytes) -> None:
        """Hand over the answer; the first one counts."""
        if not self._came.is_set():
            self._answer = answer
            self._came.set()

    def wait(self, seconds: float) -> bytes:
        """Return the answer; raises `RunError` if none comes within `seconds`."""
        if not self._came.wait(seconds):
            raise RunError(
                f"no page painted the map within {seconds:g} s: show the explorer first, press "
                "“export” in its header, or export to .svg or .html, which need no page"
            )
        return self._answer
