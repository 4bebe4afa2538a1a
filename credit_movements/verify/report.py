"""A file that agrees with its manifest, summed up in a few lines."""

from pathlib import Path

from credit_movements.verify.amounts import text_of
from credit_movements.verify.manifest import Manifest


def summary(file: Path, manifest: Manifest) -> str:
    """Says no more than was proved: file and manifest agree."""
    complete = (
        "not known" if manifest.data_complete_until is None else f"{manifest.data_complete_until:%Y-%m-%d %H:%M:%S} UTC"
    )
    currencies = ", ".join(sorted({card.currency for card in manifest.rate_cards}))
    left_out = manifest.left_out
    return "\n".join(
        (
            f"{file}: {manifest.row_count} movements of account {manifest.account_id!r}, each recomputed; nothing wrong.",
            f"  period      {manifest.period_from:%Y-%m-%d %H:%M:%S} to {manifest.period_to:%Y-%m-%d %H:%M:%S} UTC,"
            f" told in {manifest.time_zone}",
            f"  balance     {text_of(manifest.opening_balance)} + {text_of(manifest.charges)} (charges)"
            f" + {text_of(manifest.top_ups)} (top-ups) + {text_of(manifest.adjustments)} (adjustments)"
            + (f" + {text_of(left_out.credit_movement)} ({left_out.row_count} left out)" if left_out.row_count else "")
            + f" = {text_of(manifest.closing_balance)} {currencies}".rstrip(),
            f"  complete to {complete}",
            f"  SHA-256     {manifest.sha256}",
            "File and manifest agree. Who made them is not proved: get both by your own download links.",
        )
    )
