"""Admin pages about subscribers, suppressed addresses and bounces."""
