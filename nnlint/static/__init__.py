"""The abstract run: reads training code in execution order, without running it, and tells what a run would do."""
