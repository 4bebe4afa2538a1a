-- As 0007 of one server.
ALTER TABLE credit_movements_local ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS direction LowCardinality(Nullable(String)) COMMENT 'outbound or inbound, where the event says so';
ALTER TABLE credit_movements_local ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS from_number Nullable(String) COMMENT 'The number that called or sent, as it came';
ALTER TABLE credit_movements_local ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS campaign_id LowCardinality(Nullable(String)) COMMENT 'The campaign that it was part of';
ALTER TABLE credit_movements_local ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS destination_name LowCardinality(Nullable(String)) COMMENT 'What the rate calls the destination; null for a top-up, and in rows of before';
ALTER TABLE credit_movements ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS direction LowCardinality(Nullable(String)) COMMENT 'outbound or inbound, where the event says so';
ALTER TABLE credit_movements ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS from_number Nullable(String) COMMENT 'The number that called or sent, as it came';
ALTER TABLE credit_movements ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS campaign_id LowCardinality(Nullable(String)) COMMENT 'The campaign that it was part of';
ALTER TABLE credit_movements ON CLUSTER '${CLUSTER}' ADD COLUMN IF NOT EXISTS destination_name LowCardinality(Nullable(String)) COMMENT 'What the rate calls the destination; null for a top-up, and in rows of before';
-- A view keeps the columns that it was made with.
DROP VIEW IF EXISTS credit_movements_once ON CLUSTER '${CLUSTER}';
CREATE VIEW credit_movements_once ON CLUSTER '${CLUSTER}' AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
