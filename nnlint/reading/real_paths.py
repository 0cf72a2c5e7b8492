"""Paths without links, by which a file is known however it is reached."""

from __future__ import annotations

import os


class RealPaths:
    """The paths of files without links, each folder followed once: most files share one with others."""

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}

    def of(self, file: str) -> str:
        """The path of a file without links."""
        folder, name = os.path.split(file)
        if os.path.islink(file):  # noqa: PTH114 - of a path as text
            return os.path.realpath(file)
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder)
        return os.path.join(self.folders[folder], name)  # noqa: PTH118
