"""The web port: metrics, health and a status page. Shows what it is given; knows no other room."""
