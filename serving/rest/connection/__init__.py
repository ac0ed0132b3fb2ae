"""One connection of the REST door: small requests on the lane, all others on aiohttp's road."""
