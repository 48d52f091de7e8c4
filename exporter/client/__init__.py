"""The only code that asks a vendor: signed, within the budget, answers classified."""
