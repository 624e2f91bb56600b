"""What work costs: quotes, prices, the ledger, and what is settled by it."""
