"""The first call of a kernel compiles it, or loads it: no example of a property test is timed."""

from hypothesis import settings

settings.register_profile("batching", deadline=None)
settings.load_profile("batching")
