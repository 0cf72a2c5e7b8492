"""`nnlint --server`: findings while one types, in any editor that speaks the Language Server Protocol (version 3.17)."""
