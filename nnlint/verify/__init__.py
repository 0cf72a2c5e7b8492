"""The real run: a script is run for a few seconds in a sandbox, and every finding gets a measured verdict."""
