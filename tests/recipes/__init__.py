"""Recipes: small programs that use nnlint from Python, as the README tells, each run by a test."""
