"""Straight to Kafka, for producers inside the cluster: `tallyroll[kafka]`."""

from tallyroll.kafka.transport import KafkaTransport

__all__ = ["KafkaTransport"]
