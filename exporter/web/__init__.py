"""The web port: metrics, health, pages and an API. Shows what it is given; knows no other room."""
