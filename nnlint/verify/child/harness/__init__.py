"""Calling functions and classes that no main program calls, with networks, data and settings found by name, use and probing."""
