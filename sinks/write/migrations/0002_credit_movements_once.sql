-- For people and dashboards: nobody has to remember FINAL.
CREATE VIEW IF NOT EXISTS credit_movements_once AS
SELECT *
FROM credit_movements FINAL
COMMENT 'Credit movements, each of them once';
