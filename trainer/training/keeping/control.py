"""Control: what a user may ask of a run while it trains. Any thread asks; the loop answers between two steps."""

from __future__ import annotations

import threading


class RunControl:
    """What has been asked of one run. Cancel is not among it: that is `should_stop`, which the host knows."""

    def __init__(self) -> None:
        self._finish = threading.Event()
        self._save = threading.Event()

    def ask_to_finish(self) -> None:
        """Have the run end after the present step as if it had been its last, so that whatever comes next goes on."""
        self._finish.set()

    def ask_to_save(self) -> None:
        """Have a checkpoint and a train state saved after the present step; the run goes on."""
        self._save.set()

    @property
    def finish_asked(self) -> bool:
        """Whether the run should end; stays so."""
        return self._finish.is_set()

    def take_save(self) -> bool:
        """Whether a save was asked for since the last time this was called."""
        asked = self._save.is_set()
        self._save.clear()
        return asked
