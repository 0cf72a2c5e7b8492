"""A script with one fault, which never clears its gradients, and the same script without it."""

FAULTY = """\
import torch
from torch import nn

model = nn.Linear(3, 1)
optimizer = torch.optim.Adam(model.parameters())
for inputs, targets in loader:
    loss = nn.functional.mse_loss(model(inputs), targets)
    loss.backward()
    optimizer.step()
"""
CLEAN = FAULTY.replace("    loss.backward()\n", "    optimizer.zero_grad()\n    loss.backward()\n")
