-- Adjustments: which movement they correct, and why. Rows of before have neither.
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS corrected_movement_id Nullable(UUID) COMMENT 'The movement that an adjustment corrects, where it names one';
ALTER TABLE credit_movements ADD COLUMN IF NOT EXISTS reason Nullable(String) COMMENT 'Why it was adjusted, for people';
-- A view keeps the columns that it was made with.
DROP VIEW IF EXISTS credit_movements_once;
CREATE VIEW credit_movements_once AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
