"""How long an editor waits: from a key stroke in a script of 500 lines to its diagnostics, and how much of it is the pause.

python -m tests.benchmarks.editor_latency [--strokes N] [SCRIPT]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import from_fs_path

from nnlint.editor.server import PAUSE_SECONDS

STEP = """
def train_{number}(model, loader, optimizer, criterion):
    model.train()
    total = 0.0
    for inputs, targets in loader:
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)
"""
LINES = 500


def main() -> None:
    """Prints the median and the 95th percentile, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", nargs="?", type=Path)
    parser.add_argument("--strokes", type=int, default=40)
    options = parser.parse_args()
    text = options.script.read_text(encoding="utf-8") if options.script else made_up()
    waits = sorted(asyncio.run(_type(text, options.strokes)))
    median, late = statistics.median(waits), waits[int(0.95 * (len(waits) - 1))]
    print(
        f"{len(text.splitlines())} lines, {len(waits)} key strokes: median {median:.0f} ms, 95th percentile {late:.0f} ms"
    )
    print(f"of which {1000 * PAUSE_SECONDS:.0f} ms are the pause that is waited for")


def made_up() -> str:
    """A script of 500 lines of training functions."""
    pieces = ["import torch\n"]
    while sum(piece.count("\n") for piece in pieces) < LINES:
        pieces.append(STEP.format(number=len(pieces)))
    return "\n".join("".join(pieces).splitlines()[:LINES]) + "\n"


async def _type(text: str, strokes: int) -> list[float]:
    client, told = LanguageClient("benchmark", "1"), asyncio.Queue[Any]()
    client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda params: told.put_nowait(params))
    await client.start_io(sys.executable, "-m", "nnlint", "--server")
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    uri = from_fs_path(str(Path("train.py").absolute())) or ""
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 0, text)))
    await told.get()
    waits = []
    for version in range(1, strokes + 1):
        document = types.VersionedTextDocumentIdentifier(version, uri)
        change = types.TextDocumentContentChangeWholeDocument(f"{text}# {'x' * version}\n")
        start = time.perf_counter()
        client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        while (await told.get()).version != version:
            pass
        waits.append(1000 * (time.perf_counter() - start))
    await client.shutdown_async(None)
    client.exit(None)
    return waits


if __name__ == "__main__":
    main()
