"""The hot path: envelopes become counted rows, columnar from Kafka to Postgres."""
