"""PAI DLC jobs: their listing, events and status history."""
