"""PAI DSW notebook instances: their listing, events and sessions."""
