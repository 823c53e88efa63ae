"""How a component is brought about: one driver per provider, behind :class:`datamill_infra.drivers.driver.Driver`."""
