-- As 0006 of one server: each shard finds a movement by its id alone, without reading the ids of all its rows.
ALTER TABLE credit_movements_local ON CLUSTER '${CLUSTER}' ADD INDEX IF NOT EXISTS movement_ids movement_id TYPE bloom_filter(0.001) GRANULARITY 1;
ALTER TABLE credit_movements_local ON CLUSTER '${CLUSTER}' MATERIALIZE INDEX movement_ids SETTINGS mutations_sync = 0;
