"""Protection of the web port: TLS and basic authentication."""
