"""Alarms for all functions of a Region, those included that are deployed later."""
