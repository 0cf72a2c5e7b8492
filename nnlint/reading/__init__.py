"""From paths to sources: files, encodings, notebooks, and what to say of a file that does not parse."""
