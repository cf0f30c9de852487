"""The event document: body, schema, evidence, explanation pictures, erasures."""
