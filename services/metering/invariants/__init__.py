"""What must always be true of counted usage, checked on live data: one class per rule."""
