"""The command `balance`."""

from credit_movements.commands.output import Account, DataDir, console


def balance(account: Account, data_dir: DataDir = None) -> None:
    """Show an account's balance, as ClickHouse has it now."""
    from rich.table import Table

    from credit_movements import clickhouse
    from credit_movements.settings import load_settings
    from sinks.read.balance import read_balance

    found = read_balance(clickhouse.checked_client(load_settings(data_dir)), account)
    if not found:
        console().print(f"Account {account!r} has no movements.", markup=False)
    table = Table("Currency", "Balance", "Movements", "Newest movement (UTC)")
    for each in found:
        table.add_row(
            each.currency, f"{each.amount.normalize():f}", str(each.movements), f"{each.as_of:%Y-%m-%d %H:%M:%S}"
        )
    if found:
        console().print(table)
