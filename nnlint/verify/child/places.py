"""Where in the user's own files something happens: found by walking the frames of the call."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import NamedTuple

MOST_CALLS = 8


class Spot(NamedTuple):
    """A line of a file of the run's folder; the path is relative to it."""

    path: str
    line: int


class Places:
    """Tells the user's frames from all others: those whose code lies in the folder of the run.

    `outermost` is the code that executes the script: no frame around it is the user's.
    """

    def __init__(self, folder: str, outermost: CodeType | None = None) -> None:
        self.outermost = outermost
        self.prefix = os.path.join(os.path.realpath(folder), "")
        self.known: dict[str, str | None] = {}

    def of_file(self, name: str) -> str | None:
        """The path of a code's file relative to the folder; None for code from elsewhere."""
        try:
            return self.known[name]
        except KeyError:
            found = name[len(self.prefix) :] if name.startswith(self.prefix) else None
            self.known[name] = found
            return found

    def calls(self, subject: object = None) -> list[Spot]:
        """The lines of the user's code that led here, innermost first; without those inside the constructor of `subject`."""
        frame: FrameType | None = sys._getframe(2)
        known, outermost, found = self.known, self.outermost, list[Spot]()
        while frame is not None:
            code = frame.f_code
            try:
                path = known[code.co_filename]
            except KeyError:
                path = self.of_file(code.co_filename)
            if path is not None and (subject is None or not _constructs(frame, subject)):
                found.append(Spot(path, frame.f_lineno))
                if len(found) == MOST_CALLS:
                    break
            elif code is outermost:
                break
            frame = frame.f_back
        return found


def _constructs(frame: FrameType, subject: object) -> bool:
    return frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is subject
