"""six: the names of Python 3."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace
from typing import Any

PY2, PY3 = False, True
string_types, integer_types, text_type, binary_type = (str,), (int,), str, bytes
moves = SimpleNamespace(
    urllib=urllib, range=range, xrange=range, zip=zip, map=map, filter=filter, cPickle=pickle, input=input
)


def iteritems(mapping: Any) -> Any:
    """Keys with values."""
    return iter(mapping.items())


def itervalues(mapping: Any) -> Any:
    """Values."""
    return iter(mapping.values())
