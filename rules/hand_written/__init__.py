"""Rules: see README.md beside this file."""
