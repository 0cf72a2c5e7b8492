# verdict: confirmed
# modes: sandboxed
"""Tries to make the files writable again, as the superuser of a namespace of its own."""

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

library = ctypes.CDLL(None)
library.mount(None, b"/", None, 32 | 4096, None)
library.unshare(0x10000000 | 0x20000)
library.mount(None, b"/", None, 32 | 4096, None)
library.umount2(b"/tmp", 2)
library.unlink(f"{home}/precious/data.txt".encode())
