"""What rules ask of a run: whose gradients, which layers follow, what was scaled by what, what is an evaluation."""
