"""One run of the command line: from options to output and exit status."""
