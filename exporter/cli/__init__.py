"""What the verbs that run once do: they read files or ask vendors, judge and print, and change nothing that runs."""
