"""What tests share: databases, builders, fakes. Kept small."""
