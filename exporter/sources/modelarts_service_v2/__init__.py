"""ModelArts services of the new generation (v2): their listing, and the events of all that belongs to them."""
