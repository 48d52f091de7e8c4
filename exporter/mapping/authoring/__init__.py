"""Help for authors of mapping files: tests, templates, stubs, explanations."""
