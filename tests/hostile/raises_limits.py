# verdict: confirmed
"""Raises the limits that it was given."""

import resource

import torch
from torch import nn

inputs = torch.randn(64, 4)
targets = (inputs[:, 0] > 0).long()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU):
    try:
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        continue
    raise SystemExit("a limit could be raised")

for step in range(20):
    loss = nn.functional.cross_entropy(model(inputs), targets)
    loss.backward()  # the finding: nothing clears the gradients
    optimizer.step()
