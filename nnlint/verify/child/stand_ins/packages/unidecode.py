"""unidecode: letters without their accents."""

from __future__ import annotations

import unicodedata


def unidecode(text: str) -> str:
    """The text in ASCII."""
    return unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()
