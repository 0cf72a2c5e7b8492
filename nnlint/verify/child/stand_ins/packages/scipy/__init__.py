"""What training scripts ask of scipy: matrices of graphs. All else takes everything."""

from . import sparse as sparse
