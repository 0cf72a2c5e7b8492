"""What the abstract run knows about code that is not at hand: Python's builtins, torch, numpy, scikit-learn, frameworks."""
