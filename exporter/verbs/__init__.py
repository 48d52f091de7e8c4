"""What the verbs for mapping files do: they read, judge and print, and change nothing that runs."""
