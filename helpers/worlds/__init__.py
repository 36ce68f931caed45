"""The outside: where the businesses' data come from. No stage of `helpers` may import it."""
