"""What runs in the child process: the only room that imports torch."""
