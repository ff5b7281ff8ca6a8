"""A BentoML service with one route."""
import bentoml


@bentoml.service
class Counter:
    """Counts words."""

    @bentoml.api
    def count(self, text: str) -> int:
        return len(text.split())
