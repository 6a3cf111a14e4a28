"""`python -m gateway` is the `nflow` command."""

from gateway.cli import main

main()
