"""Who may use the web port: TLS and basic authentication of the web configuration."""
