"""The exit statuses that other programs rely on."""

CLEAN = 0
FINDINGS = 1
FAILED = 2
INTERRUPTED = 130
