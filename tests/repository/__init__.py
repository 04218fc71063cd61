"""Our own rules, as tests."""
