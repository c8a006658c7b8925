"""`python -m coupon_pipeline`."""

from coupon_pipeline.cli import app

app(prog_name="python -m coupon_pipeline")
