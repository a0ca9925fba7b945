"""One SQLite file: journal (inputs), ledger (decisions), outbox (deliveries)."""
