"""What several APIs of PAI have in common: events that are texts, and listings in numbered pages."""
