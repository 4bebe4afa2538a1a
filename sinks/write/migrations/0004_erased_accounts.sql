-- `credit-movements erase` notes an account here. The log keeps its numbers and users, and the sink reads the log again after a
-- crash or for a rebuild: of these accounts it leaves them out.
CREATE TABLE IF NOT EXISTS erased_accounts
(
    account_id String COMMENT 'The account whose numbers and users were erased',
    erased_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'When that was asked for'
)
ENGINE = ReplacingMergeTree
ORDER BY account_id
COMMENT 'Accounts of which credit_movements has no destination and no user_id';
