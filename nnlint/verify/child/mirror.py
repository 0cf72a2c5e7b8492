"""The folder a run works in: a copy of the user's, so that nothing the script writes, deletes or overwrites is the user's."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

LARGEST_COPIED = 1_000_000
"""Larger files, in bytes, are linked to: they can be read, not written."""

MOST_COPIED = 64_000_000
"""So many bytes in all are copied; the rest is linked to."""

MOST_ENTRIES = 4000
"""What a larger folder holds beyond is linked to."""

SKIPPED = frozenset({"__pycache__", "node_modules", "wandb", "mlruns", "lightning_logs"})


def mirror(root: str, folder: str, texts: Mapping[str, str]) -> None:
    """Copy the folder `root` (none where it is empty) to `folder`, with these texts in place of its own files."""
    if root:
        _copy(root, folder)
    for path, text in texts.items():
        file = Path(folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")


def _copy(root: str, folder: str) -> None:
    left, bytes_left = MOST_ENTRIES, MOST_COPIED
    waiting = [(root, folder)]
    while waiting:
        source, target = waiting.pop(0)
        with contextlib.suppress(OSError), os.scandir(source) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.name in SKIPPED or entry.name.startswith("."):
                    continue
                copied = os.path.join(target, entry.name)
                left -= 1
                if _is_folder(entry) and left > 0:
                    os.mkdir(copied)
                    waiting.append((entry.path, copied))
                else:
                    bytes_left -= _copy_file(entry, copied, min(LARGEST_COPIED, bytes_left) if left > 0 else -1)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))


def _copy_file(entry: os.DirEntry[str], target: str, largest: int) -> int:
    """A copy of a file that is not larger; a link to anything else. Returns the bytes that were copied."""
    with contextlib.suppress(OSError):
        if entry.is_file() and (size := entry.stat().st_size) <= largest:
            shutil.copyfile(entry.path, target)
            return size
        os.symlink(entry.path, target)
    return 0
