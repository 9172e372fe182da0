"""Derived groups in the forms that other packages read, and hand-written ones held against them."""
