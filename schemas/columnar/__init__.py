"""Many Avro datums at once as columns: which of them are whole, how long each is, and their texts.

Pure: bytes and arrays in, arrays out; no schema registry, no Kafka. Begin with `datums`.
"""
