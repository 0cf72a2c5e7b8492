"""Results of earlier runs: kept on disk, and taken only where nothing that they depend on has changed."""
