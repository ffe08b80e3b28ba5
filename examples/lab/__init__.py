"""A traffic lab: populations of APIs with their spans, attacks among them, and the truth beside."""
