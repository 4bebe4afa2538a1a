CREATE DATABASE IF NOT EXISTS "billing" ON CLUSTER "telephony";
CREATE TABLE IF NOT EXISTS "schema_versions" ON CLUSTER "telephony" (
    version UInt32,
    md5 String,
    script String,
    created_at DateTime DEFAULT now()
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
ORDER BY tuple(created_at);
OPTIMIZE TABLE "schema_versions" FINAL;
-- The tables of `setup --cluster`, as the files of one server leave them. The sink and all readers use the same name in both forms:
-- there it is the table, here the table over all shards. {shard} and {replica} are macros of each server's configuration.
--
-- A row that was written twice counts once because all its versions come to one shard: FINAL merges on each shard alone
-- (ClickHouse's documentation, Distributed table engine). So the shard is chosen by the account, and the number of shards and
-- their weights never change: with another number the same row goes elsewhere, and would count twice.
--
-- A replicated table drops a block that it has seen before, even if its rows were deleted since: a rebuild from the log needs them
-- in again. In ClickHouse 26 no setting of the insert that older servers know turns that off, so the table does.
CREATE TABLE IF NOT EXISTS credit_movements_local ON CLUSTER 'telephony'
(
    account_id String COMMENT 'The account whose credit moved',
    occurred_at DateTime64(6, 'UTC') COMMENT 'When the event happened',
    movement_id UUID COMMENT 'The id of the event that this movement rates',
    interaction_id String COMMENT 'Call id, message id or payment reference',
    description LowCardinality(String) COMMENT 'The usage type, or top-up',
    quantity Int64 COMMENT 'What the event says was used: seconds, fragments or messages; 0 for a top-up',
    unit LowCardinality(String) COMMENT 'What units are called; empty for a top-up',
    units_charged Int64 COMMENT 'Units after rounding up to the billing increments; 0 for a top-up',
    price Decimal(18, 9) COMMENT 'Price of price_units units; 0 for a top-up',
    price_units Int64 DEFAULT 1 COMMENT 'How many units the price is for; 1 for a top-up',
    credit_movement Decimal(18, 9) COMMENT 'Negative = charge, positive = top-up; -(units_charged * price / price_units), rounded once, half away from zero',
    currency LowCardinality(String) COMMENT 'ISO 4217 code of price and credit_movement',
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (account_id, occurred_at, movement_id)
SETTINGS replicated_deduplication_window = 0
COMMENT 'The credit movements of one shard. Read and write credit_movements';
CREATE TABLE IF NOT EXISTS credit_movements ON CLUSTER 'telephony' AS credit_movements_local
ENGINE = Distributed('telephony', currentDatabase(), 'credit_movements_local', sipHash64(account_id))
COMMENT 'Credit movements, a projection of the Kafka topic credit-movements. Count with FINAL, or read credit_movements_once';
CREATE VIEW IF NOT EXISTS credit_movements_once ON CLUSTER 'telephony' AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
-- noted as applied in "schema_versions": 1
-- `credit-movements erase` notes an account here. The log keeps its numbers and users, and the sink reads the log again after a
-- crash or for a rebuild: of these accounts it leaves them out. Every server has the whole list.
CREATE TABLE IF NOT EXISTS erased_accounts ON CLUSTER 'telephony'
(
    account_id String COMMENT 'The account whose numbers and users were erased',
    erased_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'When that was asked for'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')
ORDER BY account_id
COMMENT 'Accounts of which credit_movements has no destination and no user_id';
-- noted as applied in "schema_versions": 2
-- Adjustments: which movement they correct, and why. Rows of before have neither.
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS corrected_movement_id Nullable(UUID) COMMENT 'The movement that an adjustment corrects, where it names one';
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS reason Nullable(String) COMMENT 'Why it was adjusted, for people';
ALTER TABLE credit_movements ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS corrected_movement_id Nullable(UUID) COMMENT 'The movement that an adjustment corrects, where it names one';
ALTER TABLE credit_movements ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS reason Nullable(String) COMMENT 'Why it was adjusted, for people';
-- A view keeps the columns that it was made with.
DROP VIEW IF EXISTS credit_movements_once ON CLUSTER 'telephony';
CREATE VIEW credit_movements_once ON CLUSTER 'telephony' AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
-- noted as applied in "schema_versions": 3
-- As 0006 of one server: each shard finds a movement by its id alone, without reading the ids of all its rows.
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD INDEX IF NOT EXISTS movement_ids movement_id TYPE bloom_filter(0.001) GRANULARITY 1;
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' MATERIALIZE INDEX movement_ids SETTINGS mutations_sync = 0;
-- noted as applied in "schema_versions": 4
-- As 0007 of one server.
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS direction LowCardinality(Nullable(String)) COMMENT 'outbound or inbound, where the event says so';
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS from_number Nullable(String) COMMENT 'The number that called or sent, as it came';
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS campaign_id LowCardinality(Nullable(String)) COMMENT 'The campaign that it was part of';
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS destination_name LowCardinality(Nullable(String)) COMMENT 'What the rate calls the destination; null for a top-up, and in rows of before';
ALTER TABLE credit_movements ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS direction LowCardinality(Nullable(String)) COMMENT 'outbound or inbound, where the event says so';
ALTER TABLE credit_movements ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS from_number Nullable(String) COMMENT 'The number that called or sent, as it came';
ALTER TABLE credit_movements ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS campaign_id LowCardinality(Nullable(String)) COMMENT 'The campaign that it was part of';
ALTER TABLE credit_movements ON CLUSTER 'telephony' ADD COLUMN IF NOT EXISTS destination_name LowCardinality(Nullable(String)) COMMENT 'What the rate calls the destination; null for a top-up, and in rows of before';
-- A view keeps the columns that it was made with.
DROP VIEW IF EXISTS credit_movements_once ON CLUSTER 'telephony';
CREATE VIEW credit_movements_once ON CLUSTER 'telephony' AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
-- noted as applied in "schema_versions": 5
-- As 0008 of one server: an account's sums are on the shard of its movements, so FINAL counts a block once there too.
CREATE TABLE IF NOT EXISTS movement_sums_by_quarter_local ON CLUSTER 'telephony'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(quarter)
ORDER BY (account_id, quarter, description, rate_card_id, currency, log_id, log_partition, log_block)
SETTINGS replicated_deduplication_window = 0
COMMENT 'The sums of one shard. Read and write movement_sums_by_quarter';
CREATE TABLE IF NOT EXISTS movement_sums_by_quarter ON CLUSTER 'telephony' AS movement_sums_by_quarter_local
ENGINE = Distributed('telephony', currentDatabase(), 'movement_sums_by_quarter_local', sipHash64(account_id))
COMMENT 'Sums of credit movements, a projection of credit_movements. Only blocks below movement_sums_reached count';
CREATE TABLE IF NOT EXISTS movement_sums_by_key_local ON CLUSTER 'telephony'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
PARTITION BY toYYYYMM(since)
ORDER BY (account_id, kind, since, key, currency, log_id, log_partition, log_block)
SETTINGS replicated_deduplication_window = 0
COMMENT 'The sums of one shard. Read and write movement_sums_by_key';
CREATE TABLE IF NOT EXISTS movement_sums_by_key ON CLUSTER 'telephony' AS movement_sums_by_key_local
ENGINE = Distributed('telephony', currentDatabase(), 'movement_sums_by_key_local', sipHash64(account_id))
COMMENT 'Sums of credit movements by user and destination. Only blocks below movement_sums_reached count';
-- Every server has the whole list.
CREATE TABLE IF NOT EXISTS movement_sums_reached ON CLUSTER 'telephony'
(
    log_id LowCardinality(String) COMMENT 'The log',
    log_partition Int32 COMMENT 'Its partition',
    has_repeats Bool COMMENT 'Whether the partition has movements twice: then none of its sums counts',
    block_offsets Int64 COMMENT 'How many offsets a block of this partition has: the same for ever',
    reached Int64 COMMENT 'The sums of all blocks below this offset are written, empty ones too'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}', reached)
ORDER BY (log_id, log_partition, has_repeats)
SETTINGS replicated_deduplication_window = 0
COMMENT 'How far the sums of movements have come';
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' ADD INDEX IF NOT EXISTS log_places (log_id, log_partition, log_offset) TYPE minmax GRANULARITY 1;
ALTER TABLE credit_movements_local ON CLUSTER 'telephony' MATERIALIZE INDEX log_places SETTINGS mutations_sync = 0;
-- noted as applied in "schema_versions": 6
