"""How a claim is written: the decorator, and what it refuses."""

import inspect
import re
from collections.abc import Callable

from kdtheory.claims.checks import near
from kdtheory.claims.judging import CLAIMS, Claim
from kdtheory.claims.margins import Margin
from kdtheory.claims.quantities import Quantity, as_quantity

STANDINGS = "proved", "as recalled", "own", "conjecture"
EXAMPLE = "ordered=lambda lead, trail: lead - trail"
_ANY, _ANY_NAMED = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
_UNNAMED = inspect.Parameter.POSITIONAL_ONLY


def claim(
    *,
    source: str = "",
    standing: str = "conjecture",
    hypotheses: dict[str, Callable] | None = None,
    domain: dict[str, Callable] | None = None,
    certificate: Callable | None = None,
    lie: float = 1e-3,
    **quantities: Quantity | float | tuple | list | range,
) -> Callable[[Callable[..., Margin]], Claim]:
    """Turn a function of `run` and quantities into a `Claim`, and list it in the table.

    The function's docstring is the statement. It returns a signed number, positive where the claim holds, or a
    `Margin`, as `ahead`, `exceeds`, `at_least` and `same` make it, which knows small differences better: of a bare
    number the rounding is the errors of what `run` told, times the number's slopes by them.

    `quantities` say how each argument is drawn; (0.1, 10) stands for numbers between, even in their logarithm where
    they are positive, range(1, 9) for whole numbers, a list for alternatives, and a number for itself. `hypotheses` map
    names to signed slacks of some of them, met where positive (or true); `domain` does the same for what the statement
    does not speak of at all, such as two equal eigenvalues of which one is to be the larger: it is never dropped.
    `certificate` maps an instance to a proved sign of its margin (see `certify`) and is asked where floats are
    undecided, and on some instances where they are not. `standing` is one of proved, as recalled, own, conjecture;
    what is proved has a paragraph "Proof ..." in its docstring, or the name of a file under tests/proofs.

    `lie` is what is natural for the claim's inequalities: said with so much more, relative to what is compared, each
    must be refuted on some instances. An equality must find out a difference of 1e-6.

    ValueError, with all that is wrong, if the function, the quantities, the conditions and the standing do not fit
    together; TypeError if a condition is no function.

    >>> import kdtheory as kd
    >>> from kdtheory.claims import CLAIMS, ahead, claim, positive
    >>> @claim(source="folklore", standing="own", lead=positive(), trail=positive(), time=(0.1, 10.0),
    ...        hypotheses=dict(ordered=lambda lead, trail: lead - trail))
    ... def larger_first(run, lead, trail, time):
    ...     "Gradient flow has learnt more of the larger eigenvalue."
    ...     seen = run(kd.GradientFlow(time), [lead, trail])
    ...     return ahead(seen[0], seen[1])
    >>> larger_first.check(0).verdict, larger_first.falsify(0, drop="ordered").verdict
    ('holds', 'violated')
    >>> del CLAIMS["larger_first"]                                    # leave the table as it was
    """

    def register(function):
        wrong = _misfits(function, source, standing, hypotheses, domain, certificate, lie, quantities)
        if wrong:
            raise ValueError(f"{function.__name__}: " + "; ".join(wrong))
        made = Claim(
            name=function.__name__,
            statement=inspect.cleandoc(function.__doc__),
            source=source,
            standing=standing,
            function=function,
            quantities={name: as_quantity(given) for name, given in quantities.items()},
            hypotheses=hypotheses or {},
            domain=domain or {},
            certificate=certificate,
            lie=lie,
        )
        listed = CLAIMS.get(made.name)
        if listed and str(listed.function.__module__).startswith("kdtheory.theorems") and listed.topic != made.topic:
            raise ValueError(f"there is a claim {made.name!r} in kdtheory.theorems; give yours another name")
        CLAIMS[made.name] = made
        return made

    return register


def _misfits(function, source, standing, hypotheses, domain, certificate, lie, quantities):
    """What does not fit together of a claim, in words."""
    wrong, taken = [], list(inspect.signature(function).parameters.values())
    kinds = {parameter.kind for parameter in taken}
    names = [parameter.name for parameter in taken][1:]
    if not taken or names != [name for name in names if name != "run"] or kinds & {_ANY, _ANY_NAMED, _UNNAMED}:
        wrong.append("it must take run, and then its quantities by name; no *arguments")
    if not quantities:
        wrong.append("it has no quantities to draw; give it at least one, such as time=positive()")
    for name, given in quantities.items():
        try:
            as_quantity(given)
        except (TypeError, ValueError) as error:
            wrong.append(f"{name!r} {error}" if isinstance(error, TypeError) else f"{name!r}: {error}")
    if quantities and set(names) ^ set(quantities):
        for name in names:
            if name not in quantities:
                wrong.append(f"it takes {name}, which is not drawn{near(name, quantities)}")
        for name in quantities:
            if name not in names:
                wrong.append(f"{name} is drawn, and it does not take it{near(name, names)}")
    for argument, conditions in (("hypotheses", hypotheses), ("domain", domain)):
        if conditions is not None and not isinstance(conditions, dict):
            wrong.append(f"{argument} must be named, as in {argument}=dict({EXAMPLE}); got {conditions!r}")
            continue
        for condition, slack in (conditions or {}).items():
            if not callable(slack):
                wrong.append(f"{condition!r} must be a function of quantities, as in {EXAMPLE}; got {slack!r}")
                continue
            for name in inspect.signature(slack).parameters:
                if name not in quantities:
                    there = f"there are {', '.join(quantities)}{near(name, quantities)}"
                    wrong.append(f"{condition!r} asks for {name}, which is no quantity; {there}")
    if shared := sorted(set(hypotheses or ()) & set(domain or ())) if not wrong else ():
        wrong.append(f"{', '.join(shared)} is among the hypotheses and in the domain")
    if standing not in STANDINGS:
        wrong.append(f"standing must be one of {', '.join(STANDINGS)}, got {standing!r}")
    if not isinstance(source, str):
        wrong.append(f"source must be words, got {source!r}")
    if certificate is not None and not callable(certificate):
        wrong.append(f"certificate must be a function of the quantities, got {certificate!r}")
    statement = inspect.cleandoc(function.__doc__ or "")
    if not statement:
        wrong.append("it has no docstring; write there what it claims, in a sentence")
    if standing == "proved" and not re.search(r"^Proof\b|tests/proofs/\w+\.py", statement, re.MULTILINE):
        wrong.append(
            "it is called proved: end its docstring with a paragraph 'Proof. ...', or name a file under tests/proofs;"
            " what has no proof is own, as recalled, or a conjecture"
        )
    if isinstance(lie, bool) or not isinstance(lie, (int, float)) or not lie > 0:
        wrong.append(f"lie must be a positive number, got {lie!r}")
    return wrong
