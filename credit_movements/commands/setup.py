"""The command `setup`: topics, subjects and tables."""

from credit_movements.commands.output import DataDir, console, errors


def setup(data_dir: DataDir = None) -> None:
    """Make the topics, subjects and tables that are missing. Safe to repeat."""
    from credit_movements.settings import load_settings
    from credit_movements.setup.provision import set_up

    changes = set_up(load_settings(data_dir))
    for line in changes.changed:
        console().print(line, markup=False, highlight=False, soft_wrap=True)
    for line in changes.left:
        errors().print(line, markup=False)
    but = ", but for what is named above" if changes.left else ""
    console().print(f"Topics, subjects and tables are as the contract wants them{but}.")
