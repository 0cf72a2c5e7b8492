"""requests: every page is there, with the content of a file of its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nnlint.verify.child.stand_ins import files
from nnlint.verify.child.stand_ins.ledger import stood_in


class Response:
    """What comes back."""

    status_code, ok, reason = 200, True, "OK"

    def __init__(self, url: str) -> None:
        self.url, self.content = url, files.bytes_of(url)
        self.headers = {"content-length": str(len(self.content))}

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The content as values."""
        return json.loads(self.text)

    def iter_content(self, *rest: Any, **keywords: Any) -> Iterator[bytes]:
        """The content, in one piece."""
        yield self.content

    def raise_for_status(self) -> None:
        """Nothing has failed."""

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *error: Any) -> None:
        return None


def get(url: Any, *rest: Any, **keywords: Any) -> Response:
    """The page of an address."""
    stood_in(f"download {str(url)[:80]}")
    return Response(str(url))


post = get
