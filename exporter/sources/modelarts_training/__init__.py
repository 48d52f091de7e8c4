"""ModelArts training jobs: their listing, events and stage records."""
