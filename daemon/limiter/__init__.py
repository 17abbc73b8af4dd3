"""The gate that every call to Strava passes: pacing in lane order, then the ledger's permit, then send."""
