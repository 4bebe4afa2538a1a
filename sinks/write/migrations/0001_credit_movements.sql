-- The ledger, one row a movement. A replay after a crash writes the same row again, and ReplacingMergeTree counts rows of
-- one ORDER BY key once where FINAL is read. No skip indexes: under FINAL they bring superseded rows back.
CREATE TABLE IF NOT EXISTS credit_movements
(
    account_id String COMMENT 'The account whose credit moved',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened',
    movement_id UUID COMMENT 'The id of the event that this movement rates',
    interaction_id String COMMENT 'Call id, message id or payment reference',
    description LowCardinality(String) COMMENT 'The usage type, or top-up',
    quantity Int64 COMMENT 'What the event says was used: seconds, fragments or messages; 0 for a top-up',
    unit LowCardinality(String) COMMENT 'What units are called; empty for a top-up',
    units_charged Int64 COMMENT 'Units after rounding up to the billing increments; 0 for a top-up',
    value_per_unit Decimal(18, 9) COMMENT 'Price of one unit; 0 for a top-up',
    credit_movement Decimal(18, 9) COMMENT 'Negative = charge, positive = top-up; exactly -(units_charged * value_per_unit)',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of value_per_unit and credit_movement',
    user_id Nullable(String) COMMENT 'Who of the account used it',
    destination Nullable(String) COMMENT 'The number called or messaged, as it came',
    rate_card_id Nullable(String) COMMENT 'The card it was rated by; for a top-up, the card that gave the currency',
    destination_prefix Nullable(String) COMMENT 'The prefix that matched; null for a top-up',
    rate_effective_from Nullable(DateTime64(6, 'UTC')) COMMENT 'From when the rate is in force; null for a top-up',
    source_topic LowCardinality(String) COMMENT 'Where the event lay: its topic,',
    source_partition Int32 COMMENT 'its partition,',
    source_offset Int64 COMMENT 'and its offset',
    log_id LowCardinality(String) COMMENT 'Which log the row was read from: an embedded one begins at 0 again',
    log_partition Int32 COMMENT 'The row''s partition in the log credit-movements',
    log_offset Int64 COMMENT 'The row''s offset in that partition'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (account_id, occurred_at, movement_id)
COMMENT 'Credit movements, a projection of the Kafka topic credit-movements. Count with FINAL, or read credit_movements_once';
