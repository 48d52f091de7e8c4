"""What authors of mapping files use: tests, templates of unmapped texts, explanations."""
