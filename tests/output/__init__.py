"""What each output format says about small reports made by hand."""
