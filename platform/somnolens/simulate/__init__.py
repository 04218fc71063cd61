"""Nights whose right answer is known, written as EDF+ with a scorer's file."""
