"""Hands over to the command line; does nothing else."""

from exporter.cli.main import main

main()
