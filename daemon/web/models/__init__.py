"""What the addresses answer, as models: handlers fill them, openapi.json is made from them, pages read them."""
