"""Regular expressions that are compiled when they are first used: there are a hundred here, of which a run needs a few."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from re import compile as regex
else:

    class regex:  # noqa: N801 - it stands for the function `re.compile`
        """As `re.compile`, later."""

        def __init__(self, text, flags=0):
            self._written = (text, flags)

        def __getattr__(self, name):
            value = getattr(re.compile(*self._written), name)
            setattr(self, name, value)
            return value


__all__ = ["regex"]
