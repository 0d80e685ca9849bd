"""`python -m services.pricing`."""

from services.pricing.app import run

if __name__ == "__main__":
    run()
