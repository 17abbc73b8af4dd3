"""Domestique keeps many athletes' training load current."""

__version__ = "0.1.0"
