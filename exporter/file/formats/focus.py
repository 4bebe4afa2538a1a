"""The movements as FOCUS has them (FinOps Open Cost and Usage Specification 1.0 and 1.2, focus.finops.org): a CSV. Pure.

A line is a charge: costs are positive, a refund is a negative one. A top-up is a payment, and no charge: it has no line. What
FOCUS has no column for is in columns that begin with `x_`, as it asks for.
"""

from collections.abc import Generator, Iterable
from typing import Final

import polars as pl

from exporter.file.formats.csv_file import csv_lines, each_once, text_cells
from exporter.file.formats.local_times import time_texts
from exporter.file.formats.numbers import decimals, values_per_unit
from exporter.request.file_options import TOP_UP

# A line is half a kilobyte, and its 63 cells are held at once.
_ROWS_AT_ONCE: Final = 16_384
_SECOND_MICROS: Final = 1_000_000
_UNITS_OF_TIME: Final = ("seconds", "minutes")
# Usage types that are no communication in the first place. Others of the same kind are "Other" until they stand here.
_OF_AI: Final = ("ai-voice-agents", "stt")
_NUMBERS: Final = frozenset(
    {
        "BilledCost",
        "ConsumedQuantity",
        "ContractedCost",
        "ContractedUnitPrice",
        "EffectiveCost",
        "ListCost",
        "ListUnitPrice",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice",
        "PricingQuantity",
    }
)
_MOSTLY_DISTINCT: Final = frozenset({"ChargePeriodEnd", "ChargePeriodStart", "x_InteractionId", "x_MovementId"})
_NO_ROWS: Final = pl.DataFrame(
    schema={
        **dict.fromkeys(
            (
                "currency_text",
                "description",
                "unit",
                "destination_name_text",
                "destination_prefix",
                "rate_card_id",
                "user_id",
                "direction_text",
                "from_number",
                "campaign_text",
                "interaction_id",
                "movement_text",
                "destination",
            ),
            pl.String(),
        ),
        **dict.fromkeys(
            (
                "occurred_at_micros",
                "quantity",
                "units_charged",
                "price_nanos",
                "price_units",
                "credit_movement_nanos",
                "rate_effective_from_micros",
            ),
            pl.Int64(),
        ),
    }
)
_NULL: Final = pl.lit(None, pl.String)
_NOTHING: Final = dict.fromkeys(
    (
        "AvailabilityZone",
        "BillingAccountName",
        "CapacityReservationId",
        "CapacityReservationStatus",
        "CommitmentDiscountCategory",
        "CommitmentDiscountId",
        "CommitmentDiscountName",
        "CommitmentDiscountQuantity",
        "CommitmentDiscountStatus",
        "CommitmentDiscountType",
        "CommitmentDiscountUnit",
        "InvoiceId",
        "RegionId",
        "RegionName",
        "ResourceId",
        "ResourceName",
        "ResourceType",
        "SkuPriceDetails",
    ),
    _NULL,
)


def focus_chunks(blocks: Iterable[pl.DataFrame], account_id: str, provider: str) -> Generator[bytes, None, None]:
    """The header, then the lines of each block, which has the details that `stream_movements` adds and no top-ups.

    `provider`: who sells what the account uses.
    """
    yield (",".join(_cells(_NO_ROWS, account_id, provider).columns) + "\r\n").encode()
    for block in blocks:
        for part in block.iter_slices(_ROWS_AT_ONCE):
            yield csv_lines(_cells(part, account_id, provider))


def is_charge() -> pl.Expr:
    """Whether a movement has a line."""
    return (pl.col("unit") != "") | (pl.col("description") != TOP_UP)


def _cells(block: pl.DataFrame, account_id: str, provider: str) -> pl.DataFrame:
    is_usage = pl.col("unit") != ""

    def of_usage(value: pl.Expr) -> pl.Expr:
        return pl.when(is_usage).then(value)

    cost, price = _number(decimals(-block["credit_movement_nanos"])), _number(_prices(block))
    currency, kind = pl.col("currency_text"), pl.col("description")
    units = of_usage(pl.col("units_charged").cast(pl.String))
    name = of_usage(pl.col("destination_name_text"))
    sku = pl.concat_str(kind, pl.lit("|"), pl.col("destination_prefix"))
    is_ai = kind.is_in(_OF_AI) & is_usage
    begin, end, month, next_month = _times(block)
    columns = {
        **_NOTHING,
        "BilledCost": cost,
        "BillingAccountId": pl.lit(account_id),
        "BillingAccountType": pl.lit("Prepaid account"),
        "BillingCurrency": currency,
        "BillingPeriodEnd": next_month,
        "BillingPeriodStart": month,
        "ChargeCategory": pl.when(is_usage).then(pl.lit("Usage")).otherwise(_category()),
        "ChargeClass": _NULL,
        "ChargeDescription": pl.concat_str(
            kind, pl.when(name != "").then(pl.concat_str(pl.lit(" to "), name)).fill_null("")
        ),
        "ChargeFrequency": pl.when(is_usage).then(pl.lit("Usage-Based")).otherwise(pl.lit("One-Time")),
        "ChargePeriodEnd": end,
        "ChargePeriodStart": begin,
        "ConsumedQuantity": of_usage(pl.col("quantity").cast(pl.String)),
        "ConsumedUnit": of_usage(_consumed_unit()),
        "ContractedCost": cost,
        "ContractedUnitPrice": of_usage(price),
        "EffectiveCost": cost,
        "InvoiceIssuerName": pl.lit(provider),
        "ListCost": cost,
        "ListUnitPrice": of_usage(price),
        "PricingCategory": of_usage(pl.lit("Standard")),
        "PricingCurrency": currency,
        "PricingCurrencyContractedUnitPrice": of_usage(price),
        "PricingCurrencyEffectiveCost": cost,
        "PricingCurrencyListUnitPrice": of_usage(price),
        "PricingQuantity": units,
        "PricingUnit": of_usage(pl.col("unit").str.to_titlecase()),
        "ProviderName": pl.lit(provider),
        "PublisherName": pl.lit(provider),
        "ServiceCategory": pl.when(is_ai).then(pl.lit("AI and Machine Learning")).otherwise(pl.lit("Other")),
        "ServiceName": kind,
        "ServiceSubcategory": pl.when(is_ai)
        .then(pl.lit("Other (AI and Machine Learning)"))
        .otherwise(pl.lit("Other (Other)")),
        "SkuId": of_usage(sku),
        "SkuMeter": of_usage(kind),
        "SkuPriceId": of_usage(
            pl.concat_str(pl.col("rate_card_id"), pl.lit("|"), sku, pl.lit("|"), _rate_begin(block))
        ),
        "SubAccountId": pl.col("user_id"),
        "SubAccountName": pl.col("user_id"),
        "SubAccountType": pl.when(pl.col("user_id").is_not_null()).then(pl.lit("User")),
        "Tags": _tags(),
        "x_DestinationName": name,
        "x_Direction": pl.col("direction_text"),
        "x_FromNumber": pl.col("from_number"),
        "x_InteractionId": pl.col("interaction_id"),
        "x_MovementId": pl.col("movement_text"),
        "x_ToNumber": pl.col("destination"),
    }
    table = block.select(value.alias(column) for column, value in sorted(columns.items()))
    return table.select(_written(each).alias(each.name) for each in table)


def _written(values: pl.Series) -> pl.Series:
    if values.name in _NUMBERS:
        return _with_decimals(values)
    return text_cells(values) if values.name in _MOSTLY_DISTINCT else each_once(values.fill_null(""), text_cells)


def _with_decimals(numbers: pl.Series) -> pl.Series:
    """Readers that guess types from what they see must not take decimals for whole numbers."""
    return numbers.zip_with(numbers.str.contains(".", literal=True), numbers + ".0")


def _number(texts: pl.Series) -> pl.Expr:
    return pl.lit(texts)


def _prices(block: pl.DataFrame) -> pl.Series:
    return values_per_unit(block["price_nanos"], block["price_units"])


def _category() -> pl.Expr:
    """Of an adjustment. What gives back is a credit, whatever takes is an adjustment."""
    gives_back = (pl.col("description") == "refund") & (pl.col("credit_movement_nanos") > 0)
    return pl.when(gives_back).then(pl.lit("Credit")).otherwise(pl.lit("Adjustment"))


def _consumed_unit() -> pl.Expr:
    return (
        pl.when(pl.col("unit").is_in(_UNITS_OF_TIME))
        .then(pl.lit("Seconds"))
        .otherwise(pl.col("unit").str.to_titlecase())
    )


def _times(block: pl.DataFrame) -> tuple[pl.Expr, ...]:
    """Begin and end of the charge, and of its month, UTC. What takes no time gets a second, since an end is exclusive."""
    if block.is_empty():
        return (_NULL,) * 4
    seconds = block["occurred_at_micros"] // _SECOND_MICROS
    is_time = block["unit"].is_in(_UNITS_OF_TIME)
    lengths = block["quantity"].zip_with(is_time & (block["quantity"] > 0), pl.Series([1], dtype=pl.Int64))
    days = (seconds * 1_000).cast(pl.Datetime("ms"))
    months = days.dt.month_start().dt.truncate("1d")
    return tuple(
        pl.lit(_utc(each))
        for each in (seconds, seconds + lengths, _in_seconds(months), _in_seconds(months.dt.offset_by("1mo")))
    )


def _in_seconds(moments: pl.Series) -> pl.Series:
    return moments.dt.timestamp("ms") // 1_000


def _utc(seconds: pl.Series) -> pl.Series:
    return time_texts(seconds).str.replace(" ", "T", literal=True) + "Z"


def _rate_begin(block: pl.DataFrame) -> pl.Expr:
    return pl.lit(block["rate_effective_from_micros"].cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))


def _tags() -> pl.Expr:
    """A JSON object with the campaign, where there is one."""
    tags = pl.struct(campaign_id="campaign_text").struct.json_encode()
    return pl.when(pl.col("campaign_text").is_not_null()).then(tags)
