"""`python -m credit_movements`: the same as the command."""

from credit_movements.commands.main import main

main()
