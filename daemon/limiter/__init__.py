"""The gate that every call to Strava passes: pacing in lane order, then the ledger's permit, then send.

It is usable without the rest of the daemon, by anything that calls Strava in the name of the same app: as many
processes as there are share one ledger in PostgreSQL, and together they never go over.

    async with open_gate("postgresql://…/name", client_id=12345) as gate, aiohttp.ClientSession() as session:
        async with gate.step(Lane.INTERACTIVE, calls=1) as step:
            permit = await step.permit()  # or step raises QuotaSpent: `until` says when to come back
            async with session.get(f"{STRAVA}/athlete", headers=authorization) as response:
                await permit.answered(wire.answered(response.status, response.headers, await response.read()))

Each send takes a permit of its own. A permit whose answer never came is told so with `permit.lost()`; one that
nobody tells anything stays charged until its window turns.
"""
