"""ModelArts services (v1): their listing and events."""
