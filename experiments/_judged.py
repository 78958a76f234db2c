"""The verdicts that several experiments state below their panels."""


def judged(*claims, seed, instances, loops):
    """Each claim checked on random instances in theory and on data; none if there are to be no instances."""
    if not instances:
        return []
    return [check for claim in claims for check in (claim.check(seed, instances), claim.practice(seed, loops))]
