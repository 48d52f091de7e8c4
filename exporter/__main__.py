"""Hands over to the command line; does nothing else."""

from exporter.cli import main

main()
