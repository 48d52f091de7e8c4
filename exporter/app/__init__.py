"""The wiring: puts the parts together, starts and stops them."""
