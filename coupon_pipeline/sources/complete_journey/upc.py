"""The retired industry table of coupon value codes: the last two digits of a manufacturer coupon's UPC."""

from __future__ import annotations

import pyarrow as pa

FREE_ITEM = {0: 1, 1: 1, 2: 5, 14: 2, 16: 3, 19: 4}
"""Code -> items to buy for a free one; the value in cents is unknown."""

CENTS_OFF = {
    3: (1, 110), 4: (1, 135), 5: (1, 140), 6: (1, 160), 7: (3, 150), 8: (2, 300), 9: (3, 200), 11: (1, 185),
    13: (4, 100), 18: (1, 260), 21: (2, 35), 22: (2, 40), 23: (2, 45), 24: (2, 50), 26: (1, 285), 28: (2, 55),
    31: (2, 60), 32: (2, 75), 33: (2, 100), 34: (2, 125), 36: (2, 150), 37: (3, 25), 38: (3, 30), 41: (3, 50),
    42: (3, 100), 43: (2, 110), 44: (2, 135), 46: (2, 160), 47: (2, 175), 48: (2, 185), 51: (2, 200), 52: (3, 55),
    53: (2, 10), 54: (2, 15), 56: (2, 20), 57: (2, 25), 58: (2, 30), 61: (1, 1000), 62: (1, 950), 63: (1, 900),
    64: (1, 850), 66: (1, 800), 67: (1, 750), 68: (1, 700), 71: (1, 650), 72: (1, 600), 73: (1, 550), 74: (1, 500),
    76: (1, 100), 77: (1, 125), 78: (1, 150), 81: (1, 175), 82: (1, 200), 83: (1, 225), 84: (1, 250), 86: (1, 275),
    87: (1, 300), 88: (1, 325), 91: (1, 350), 92: (1, 375), 93: (1, 400), 96: (1, 450), 98: (2, 65),
}  # fmt: skip
"""Code -> (items to buy, cents off); a code in neither table means: buy one, save that many cents."""


def value_codes() -> pa.Table:
    """All 100 codes as a table: code, discount_kind, min_quantity, face_value_cents (null for a free item)."""
    rows = [
        {"code": code, "discount_kind": "free_item", "min_quantity": FREE_ITEM[code], "face_value_cents": None}
        if code in FREE_ITEM
        else dict(
            zip(
                ("code", "discount_kind", "min_quantity", "face_value_cents"),
                (code, "amount", *CENTS_OFF.get(code, (1, code))),
                strict=True,
            )
        )
        for code in range(100)
    ]
    types = [("code", pa.int64()), ("discount_kind", pa.string())]
    types += [("min_quantity", pa.int64()), ("face_value_cents", pa.int64())]
    return pa.Table.from_pylist(rows, schema=pa.schema(types))
