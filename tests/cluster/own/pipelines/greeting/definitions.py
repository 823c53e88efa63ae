"""A pipeline of a user's own."""

import dagster as dg


@dg.asset(key=["raw", "greeting"], group_name="own")
def greeting(context: dg.AssetExecutionContext) -> None:
    """Say hello."""
    context.log.info("hello from a pipeline of the user's own")


def build() -> dg.Definitions:
    """What the platform takes."""
    return dg.Definitions(assets=[greeting], jobs=[dg.define_asset_job("greet", selection=[greeting])])
