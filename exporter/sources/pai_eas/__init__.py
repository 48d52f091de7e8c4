"""PAI EAS services: their listing and events."""
