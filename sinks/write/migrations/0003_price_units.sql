-- A price is a price for a number of units: 0.20 for 60 seconds. The movement is rounded once, so neither factor is enough alone.
ALTER TABLE credit_movements RENAME COLUMN IF EXISTS value_per_unit TO price;
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS price_units Int64 DEFAULT 1 COMMENT 'How many units the price is for; 1 for a top-up' AFTER price;
ALTER TABLE credit_movements COMMENT COLUMN price 'Price of price_units units; 0 for a top-up';
ALTER TABLE credit_movements COMMENT COLUMN credit_movement 'Negative = charge, positive = top-up; -(units_charged * price / price_units), rounded once, half away from zero';
ALTER TABLE credit_movements COMMENT COLUMN currency 'ISO 4217 code of price and credit_movement';
-- A view keeps the columns that it was made with.
DROP VIEW IF EXISTS credit_movements_once;
CREATE VIEW credit_movements_once AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
