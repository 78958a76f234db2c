"""The verdicts that several experiments state below their panels."""

from concurrent.futures import ThreadPoolExecutor


def judged(*claims, seed, instances, loops):
    """Each claim checked on random instances in theory and on data; none if there are to be no instances."""
    if not instances:
        return []
    with ThreadPoolExecutor(1) as pool:  # compiling is what this costs: the two lanes side by side
        practice = pool.map(lambda claim: claim.practice(seed, loops), claims)
        theory = [claim.check(seed, instances) for claim in claims]
        return [*theory, *practice]
