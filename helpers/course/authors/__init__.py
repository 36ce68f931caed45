"""For authors: lessons baked and held against their rules, exercises released and proven."""
