"""The ledger of points, earning rules, offers, vouchers and the till."""
