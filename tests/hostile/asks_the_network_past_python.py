# verdict: confirmed
# modes: sandboxed
"""Connects through the C library."""

import ctypes

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

library = ctypes.CDLL(None)
address = (ctypes.c_ubyte * 16)(2, 0, 0, 80, 192, 0, 2, 1)
assert library.connect(library.socket(2, 1, 0), address, 16) != 0
