"""What keeps a run from knowing which findings to hide."""

from __future__ import annotations


class SilencingError(Exception):
    """The baseline or the changes since a revision cannot be read or written; the message says why."""
