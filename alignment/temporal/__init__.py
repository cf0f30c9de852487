"""Rules over time: expressions over spans, evaluated online, as deterministic functions of spans and watermarks."""
