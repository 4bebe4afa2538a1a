-- What the movements of aligned blocks of the log add up to, so that nobody has to add up an account's whole history. A block that
-- is written again after a crash is the same rows, and ReplacingMergeTree counts them once where FINAL is read.
CREATE TABLE IF NOT EXISTS movement_sums_by_quarter
(
    account_id String COMMENT 'The account whose credit moved',
    quarter DateTime64(6, 'UTC') COMMENT 'The beginning of the quarter of an hour in which the movements happened',
    description LowCardinality(String) COMMENT 'The usage type, top-up, or an adjustment''s kind',
    rate_card_id String COMMENT 'The card they were rated by; empty for none',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts',
    log_id LowCardinality(String) COMMENT 'Which log the movements lie in,',
    log_partition Int32 COMMENT 'in which partition of it,',
    log_block Int64 COMMENT 'and the first offset of their block',
    movements UInt64 COMMENT 'How many they are',
    charges Decimal(38, 9) COMMENT 'The sum of what usage cost: negative',
    top_ups Decimal(38, 9) COMMENT 'The sum of the top-ups',
    adjustments Decimal(38, 9) COMMENT 'The sum of refunds, chargebacks and corrections',
    newest_at DateTime64(6, 'UTC') COMMENT 'When the newest of them happened'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(quarter)
ORDER BY (account_id, quarter, description, rate_card_id, currency, log_id, log_partition, log_block)
COMMENT 'Sums of credit movements, a projection of credit_movements. Only blocks below movement_sums_reached count';
-- By hour or day of UTC, so that they are few. What has no user or prefix is in the sum of the account alone.
CREATE TABLE IF NOT EXISTS movement_sums_by_key
(
    account_id String COMMENT 'The account whose credit moved',
    kind LowCardinality(String) COMMENT 'What the key is: user, destination (the prefix of the rate), or account (all movements)',
    since DateTime64(6, 'UTC') COMMENT 'The beginning of the hour of UTC (account) or day (user, destination) in which the movements happened',
    key String COMMENT 'The user, or the prefix; empty for all movements of the account',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of the amounts',
    log_id LowCardinality(String) COMMENT 'Which log the movements lie in,',
    log_partition Int32 COMMENT 'in which partition of it,',
    log_block Int64 COMMENT 'and the first offset of their block',
    movements UInt64 COMMENT 'How many they are',
    charges Decimal(38, 9) COMMENT 'The sum of what usage cost: negative',
    top_ups Decimal(38, 9) COMMENT 'The sum of the top-ups',
    adjustments Decimal(38, 9) COMMENT 'The sum of refunds, chargebacks and corrections',
    newest_at DateTime64(6, 'UTC') COMMENT 'When the newest of them happened'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(since)
ORDER BY (account_id, kind, since, key, currency, log_id, log_partition, log_block)
COMMENT 'Sums of credit movements by user and destination. Only blocks below movement_sums_reached count';
CREATE TABLE IF NOT EXISTS movement_sums_reached
(
    log_id LowCardinality(String) COMMENT 'The log',
    log_partition Int32 COMMENT 'Its partition',
    has_repeats Bool COMMENT 'Whether the partition has movements twice: then none of its sums counts',
    block_offsets Int64 COMMENT 'How many offsets a block of this partition has: the same for ever',
    reached Int64 COMMENT 'The sums of all blocks below this offset are written, empty ones too'
)
ENGINE = ReplacingMergeTree(reached)
ORDER BY (log_id, log_partition, has_repeats)
COMMENT 'How far the sums of movements have come';
-- The newest movements are not summed yet. They are found by where they lie in the log, without reading the account's history.
ALTER TABLE credit_movements ADD INDEX IF NOT EXISTS log_places (log_id, log_partition, log_offset) TYPE minmax GRANULARITY 1;
-- The rows that are there already get it in the background.
ALTER TABLE credit_movements MATERIALIZE INDEX log_places SETTINGS mutations_sync = 0;
