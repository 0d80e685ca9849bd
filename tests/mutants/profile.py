"""How properties are tried on mutants: the same examples each time, and none made smaller.

That a mutant fails is enough: to find the smallest example of it takes most of the time. A plugin
of pytest's, `-p tests.mutants.profile`.
"""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    database=None,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(HealthCheck.too_slow,),
)
settings.load_profile("mutants")
