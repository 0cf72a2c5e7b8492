"""Small packages that take the place of missing ones; each is imported under the name of the package it stands in for."""
