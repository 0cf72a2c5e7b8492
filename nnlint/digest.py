"""What stands for a content."""

from __future__ import annotations

try:
    from _blake2 import (
        blake2b,  # as `random` does with its own: `hashlib` loads OpenSSL, which takes as long as the rest
    )
except ImportError:  # another Python
    from hashlib import blake2b


def digest(data: bytes) -> str:
    """Another text for every content, as good as surely."""
    return blake2b(data, digest_size=16).hexdigest()
