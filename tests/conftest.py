"""What all tests stand on. Being here, it also lets them import `waiting`."""

from __future__ import annotations

import signal

# A shell that starts tests in the background has them ignore Ctrl+C, and so would every process
# that a test starts in order to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
