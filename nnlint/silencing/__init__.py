"""What is not reported: suppression comments, known findings, lines that did not change."""
