"""Who brings a job's units to machines. Each engine is one module of this package, which names its class `ENGINE`."""
