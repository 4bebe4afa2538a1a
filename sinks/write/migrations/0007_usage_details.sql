-- What a usage event may say beside what it costs, and what the rate calls its destination. Rows of before have none of it.
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS direction LowCardinality(Nullable(String)) COMMENT 'outbound or inbound, where the event says so';
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS from_number Nullable(String) COMMENT 'The number that called or sent, as it came';
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS campaign_id LowCardinality(Nullable(String)) COMMENT 'The campaign that it was part of';
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS destination_name LowCardinality(Nullable(String)) COMMENT 'What the rate calls the destination; null for a top-up, and in rows of before';
-- A view keeps the columns that it was made with.
DROP VIEW IF EXISTS credit_movements_once;
CREATE VIEW credit_movements_once AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
