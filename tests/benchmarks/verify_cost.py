"""`python -m tests.benchmarks.verify_cost`: what the recorder adds to a training step, and what a whole verification takes.

The same script is run with the recorder and without it, in turns, each time in a process forked from one that has torch loaded,
and its training loop is measured in processor time. Then `--verify` is timed on one script with three findings, and on several
scripts at a time, counting how often a process has imported torch.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from nnlint.lint import lint_documents
from nnlint.reading.documents import read_document
from nnlint.report import Report
from nnlint.settings import Settings
from nnlint.verify.protocol import Record, Request
from nnlint.verify.runner import Runner, runner
from nnlint.verify.verify import Limits, verified

LOOP = """
import time
import torch
from torch import nn

torch.manual_seed(0)
{network}
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
model.train()
start = time.process_time()
for step in range({steps}):
    optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
with open("seconds", "w") as file:
    file.write(str(time.process_time() - start))
"""

NETWORKS = {
    "small network": (
        "model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))\n"
        "inputs, targets = torch.randn(64, 20), torch.randint(3, (64,))",
        999,
    ),
    "convolutions": (
        "model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3),\n"
        "    nn.ReLU(), nn.Dropout(0.3), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 10))\n"
        "inputs, targets = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))",
        150,
    ),
    "recurrent": (
        "class Tagger(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.embed, self.lstm = nn.Embedding(500, 32), nn.LSTM(32, 64, batch_first=True)\n"
        "        self.out = nn.Linear(64, 7)\n"
        "    def forward(self, words):\n"
        "        return self.out(self.lstm(self.embed(words))[0][:, -1])\n"
        "model = Tagger()\n"
        "inputs, targets = torch.randint(500, (32, 20)), torch.randint(7, (32,))",
        300,
    ),
    "transformer": (
        "class Classifier(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)\n"
        "        self.encoder, self.out = nn.TransformerEncoder(layer, 4), nn.Linear(64, 5)\n"
        "    def forward(self, x):\n"
        "        return self.out(self.encoder(x).mean(1))\n"
        "model = Classifier()\n"
        "inputs, targets = torch.randn(16, 16, 64), torch.randint(5, (16,))",
        150,
    ),
}

THREE_FINDINGS = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed({number})
prototypes = torch.rand(10, 784)
labels = torch.randint(10, (2000,))
images = (prototypes[labels] + 0.3 * torch.randn(2000, 784)).clamp(0, 1)
loader = DataLoader(TensorDataset(images, labels), batch_size=50, shuffle=True)
model = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
for epoch in range(100):
    for batch, classes in loader:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        scores = F.softmax(model(batch), dim=1)
        loss = F.cross_entropy(scores, classes)
        loss.backward()
        optimizer.step()
"""

SEVERAL = 4


def main() -> None:
    """Prints the ratios of the recorder, and the seconds of whole verifications."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for name in NETWORKS:
            ratios = pool.submit(step_ratios, name, options.rounds).result()
            print(f"{name}: a step takes {statistics.median(ratios):.2f} times as long ({_listed(ratios)})", flush=True)
    for count in (1, SEVERAL):
        _time_verifying(count)


def _listed(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))


def step_ratios(name: str, rounds: int) -> list[float]:
    """How many times as long the training loop takes with the recorder, once in each round."""
    import numpy  # noqa: F401
    import torch

    import nnlint.verify.child.script  # noqa: F401

    torch.set_num_threads(1)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    network, steps = NETWORKS[name]
    script = LOOP.format(network=network, steps=steps)
    return [_forked(script, _run_recorded) / _forked(script, _run_plainly) for _ in range(rounds)]


def _forked(script: str, run: Callable[[str, str, socket.socket], None]) -> float:
    """The processor time that the training loop of a script takes in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(script, encoding="utf-8")
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            try:
                run(script, folder, theirs)
            finally:
                os._exit(1)
        theirs.close()
        while ours.recv(1 << 16):
            pass
        ours.close()
        os.waitpid(child, 0)
        return float(Path(folder, "seconds").read_text())


def _run_recorded(script: str, folder: str, records: socket.socket) -> None:
    from nnlint.verify.child.channel import Channel
    from nnlint.verify.child.script import ScriptRun
    from nnlint.verify.seal import Seal, new_key

    ScriptRun(Request("", "train.py", steps=1000, seconds=300), folder, Channel(records, Seal(new_key()))).run()


def _run_plainly(script: str, folder: str, records: socket.socket) -> None:
    os.chdir(folder)
    exec(compile(script, "train.py", "exec"), {"__name__": "__main__"})


def _noting_processor_time(runs: Runner) -> list[float]:
    """The processor seconds of all runs that are made from now on."""
    make, found = runs.run, list[float]()

    def run(request: Request) -> list[Record]:
        records = make(request)
        found.append(records[-1]["numbers"].get("processor_seconds", 0.0))
        return records

    runs.run = run  # type: ignore[method-assign]
    return found


def _time_verifying(count: int) -> None:
    settings = Settings(select=("NN101", "NN102", "NN201"))
    documents = [
        read_document(f"train_{number}.py", None, THREE_FINDINGS.format(number=number).encode())
        for number in range(count)
    ]

    def lint(now: list[object]) -> Report:
        return lint_documents(now, settings)  # type: ignore[arg-type]

    start = time.monotonic()
    report = lint_documents(documents, settings)
    with runner() as runs:
        started = time.monotonic() - start
        processor = _noting_processor_time(runs)
        done = verified(report, documents, Limits(), lint, lambda said: None, runs)  # type: ignore[arg-type]
        imports = runs.starts + ("torch" in sys.modules)
    seconds = time.monotonic() - start
    verdicts = sorted(f"{f.code} {f.verdict.status.value}" for f in (*done.findings, *done.withdrawn) if f.verdict)
    runs_made = sum(trial.runs for trial in done.trials)
    print(f"{count} with three findings each: {seconds:.1f} s, of which the server's start {started:.1f} s")
    print(
        f"  {runs_made} runs, {sum(processor):.1f} s of processor time in them; processes that imported torch: {imports}"
    )
    print(f"  {', '.join(sorted(set(verdicts)))}", flush=True)


if __name__ == "__main__":
    main()
