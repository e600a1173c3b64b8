"""Commands that look after the warehouse: rollback, garbage collection, verification."""
