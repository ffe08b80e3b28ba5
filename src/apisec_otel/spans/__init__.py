"""Spans as rows: decoding, columns, encoding."""
