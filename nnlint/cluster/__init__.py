"""Analysing on other machines: what is sent to a cluster, what comes back, and that both are what one process would have made."""
