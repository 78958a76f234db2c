"""The pages of `python -m experiments site`; what needs a real browser runs with `python -m pytest -m browser`."""

import html
import html.parser
import itertools
import json
import re
import shutil
import urllib.parse

import jax.numpy as jnp
import matplotlib.pyplot
import mpmath
import numpy as np
import pytest

import kdtheory as kd
from experiments import __main__ as runner
from experiments.site import _build, _claims, _mathematics, _text

in_browser = pytest.mark.browser
NEEDED = """this needs Debian's browser and its driver, and what the extra `test` installs:
    apt-get install chromium chromium-driver
    .venv/bin/pip install -e '.[test]'"""
PHONE, DESK = (390, 844), (1280, 900)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All pages, with a claim that was judged and others that were not."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_claims, "KEPT", folder / "kept" / "claims.json")
        _build.build(folder / "site", ["exaggerated_bias"], dict(count=200, loops=2))
    return folder / "site"


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.fail(NEEDED, pytrace=False)
    try:
        from selenium import webdriver
    except ModuleNotFoundError:
        pytest.fail(NEEDED, pytrace=False)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def look(browser, site):
    """Opens a page, on a desk or a phone, in the light or in the dark."""

    def opened(page, size=DESK, scheme="light"):
        width, height = size
        metrics = dict(width=width, height=height, deviceScaleFactor=1, mobile=size == PHONE)
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        preferred = [dict(name="prefers-color-scheme", value=scheme)]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=preferred))
        browser.get("about:blank")  # else a new hash alone loads nothing
        browser.get(f"file://{site}/{page}")
        return browser

    return opened


def pages(site):
    found = sorted(path.name for path in site.glob("*.html"))
    assert len(found) > 50
    return found


class Anchors(html.parser.HTMLParser):
    """The ids of a page, where it leads, and its tags that no tag closes, or that stand in links and are links."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.leads, self.open, self.wrong = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.wrong += [self.getpos()] if tag == "a" and "a" in self.open else []
        self.open += [] if tag in ("br", "hr", "img", "input", "link", "meta", "wbr") else [tag]
        self.ids += [told["id"]] if "id" in told else []
        self.leads += [told[name] for name in ("href", "src") if name in told]

    def handle_endtag(self, tag):
        self.wrong += [] if self.open and self.open.pop() == tag else [self.getpos()]


def test_tags_are_closed_and_no_link_stands_in_a_link(site):
    for name in pages(site):
        page = Anchors((site / name).read_text())
        assert not page.open and not page.wrong, name


def test_nothing_is_said_to_be_refuted_that_was_not(site):
    told = dict(theory={}, hypotheses=dict(a=dict(necessary=True), b=dict(necessary=False)), passed=False, power=0.0)
    claim = _claims.known()[0]
    row = lambda told: next(row for row in _claims.table(told).split("<tr>") if f"#{claim.name}" in row)
    assert "<td>FAILS</td><td>none</td><td>a</td>" in row({claim.name: told})
    assert "<td>not run</td><td></td><td></td>" in row({})


def test_no_link_is_broken(site):
    found = {name: Anchors((site / name).read_text()) for name in pages(site)}
    index = json.loads((site / "search.js").read_text().removeprefix("window.INDEX = ").rstrip(";\n"))
    found["search"] = Anchors("".join(f'<a href="{entry["address"]}">' for entry in index))
    for name, page in found.items():
        assert len(page.ids) == len(set(page.ids)), (name, [each for each in page.ids if page.ids.count(each) > 1])
        for address in page.leads:
            target, _, anchor = urllib.parse.unquote(address).partition("#")
            if target.startswith(("https://", "data:")):
                continue
            assert not target or (site / target).is_file(), (name, address)
            if anchor:
                assert anchor in found[target or name].ids, (name, address)


def test_everything_has_its_place(site):
    every = "".join((site / name).read_text() for name in pages(site))
    for claim in _claims.known():
        assert f'id="{claim.name}"' in (site / _claims.page(claim)).read_text()
    for public in ("Ridge", "distill", "transfer", "sweep", "closed_form", "estimated_risk", "record", "claim"):
        assert len(re.findall(rf'<section class="entry"><h2 id="{public}">', every)) == 1, public
    figures = runner.FIGURES / "README.md"
    titles = re.findall(r"^## (.*)$", figures.read_text(), re.MULTILINE)
    assert titles and all(_text.slug(title) in every for title in titles)
    judged = (site / "claims-spectral-bias.html").read_text()
    assert "margin = (1 - n2).ln()" in judged and "200 random instances" in judged


def test_a_verdict_is_kept_until_its_code_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(_claims, "KEPT", tmp_path / "claims.json")
    counts, name = dict(count=20, loops=1), "ridge_semigroup"
    first = _claims.trials([name], counts)
    with monkeypatch.context() as patch:
        patch.setattr(_claims.command, "judged", lambda claims, *_: iter(claims and pytest.fail("judged again")))
        assert _claims.trials([name], counts) == first
    monkeypatch.setattr(_claims, "_key", lambda *_: "another")
    again = _claims.trials([name], dict(count=30, loops=1))
    assert again[name]["theory"]["cases"] == 30 and first[name]["theory"]["cases"] == 20


@pytest.mark.parametrize(
    "text, formulas",
    [
        ("Ridge regression, φ(λ) = λ/(λ + c) with", ["φ(λ) = λ/(λ + c)"]),
        (
            "the t̃ with (1 - e^(-λt̃)) (1 - e^(-λT)) = 1 - e^(-λt), for",
            ["t̃", "(1 - e^(-λt̃)) (1 - e^(-λT)) = 1 - e^(-λt)"],
        ),
        ("XᵀX/N, or K/N for a kernel; a step of 1e-9, I think (λ is small) in a case.", ["XᵀX/N", "K/N", "λ"]),
        ("loss + (c/2)|w - start|² on", ["loss + (c/2)|w - start|²"]),
        ("that is a + b = ab + c, a step", ["a + b = ab + c"]),
        ("(The mean's is 2/λ_max.) (a) ξ* for three signals", ["2/λ_max", "ξ*"]),
        ("of weight · teacher's predictions + (1 - weight) · targets", []),
        ("P1: Python's own, in 60 digits: a half-mean of step_size, the λ-axis", []),
    ],
)
def test_formulas_are_found_in_running_text(text, formulas):
    parts = _mathematics.parts(text)
    assert [part for formula, part in parts if formula] == formulas
    assert "".join(part for _, part in parts) == text


@pytest.mark.parametrize(
    "formula, inside",
    [
        ("e^(-λt)", "<i>e</i><sup>−<i>λ</i><i>t</i></sup>"),
        ("w_k θ² ≥ 0", "<i>w</i><sub><i>k</i></sub> <i>θ</i><sup>2</sup> ≥ 0"),
        ("x_i²", '<i>x</i><span class="both"><sup>2</sup><sub><i>i</i></sub></span>'),
        ("(-1)^|A|", "(−1)<sup>|<i>A</i>|</sup>"),
        ("√(σ² + 1) < x", '√<span class="root"><i>σ</i><sup>2</sup> + 1</span> &lt; <i>x</i>'),
        ("log λ_max", "log <i>λ</i><sub>max</sub>"),
    ],
)
def test_formulas_are_set(formula, inside):
    start = f'<span class="math" role="math" aria-label="{html.escape(formula)}">'
    assert _mathematics.marked(formula) == f"{start}{inside}</span>"


def test_pages_are_light(site):
    assert sum(path.stat().st_size for path in site.iterdir() if path.is_file()) < 3e6


CHECK = r"""
const plain = document.querySelector("main").cloneNode(true);
plain.querySelectorAll("pre, code, canvas, form, .math").forEach((each) => each.remove());
return {
  title: document.title,
  headings: [...document.querySelectorAll("h1, h2, h3, h4")].map((each) => Number(each.tagName[1])),
  images: [...document.images].map((each) => [each.getAttribute("src"), each.alt]),
  fetched: performance.getEntriesByType("resource").map((each) => each.name),
  unset: plain.textContent.match(/\S*[\^]\S*/g) || [],
  formulas: [...document.querySelectorAll(".math")].map((each) => [each.getAttribute("aria-label"), each.offsetWidth]),
  named: [...document.querySelectorAll("a, button, input")].filter((each) => each.offsetParent).map((each) =>
    [each.getAttribute("aria-label"), each.textContent, each.querySelector("img")?.alt, each.labels?.[0]?.textContent]
      .find(Boolean)),
};"""


@in_browser
def test_every_page_opens_without_a_complaint(look, site):
    formulas = 0
    for name in pages(site):
        browser = look(name)
        assert not browser.get_log("browser"), name
        told = browser.execute_script(CHECK)
        assert "kdtheory" in told["title"] and told["headings"].count(1) == 1 and told["headings"][0] == 1, name
        assert all(after - before <= 1 for before, after in itertools.pairwise(told["headings"])), (
            name,
            told["headings"],
        )
        assert all(alt and (site / source).is_file() for source, alt in told["images"]), name
        assert all(address.startswith("file://") for address in told["fetched"]), name  # no network
        assert not told["unset"], (name, told["unset"])
        assert all(written and (width > 0 or "claims" in name) for written, width in told["formulas"]), name
        assert all(told["named"]), name
        formulas += len(told["formulas"])
    assert formulas > 1000


@in_browser
def test_pictures_load_when_they_are_looked_at(look):
    browser = look("gallery.html")
    script = """const done = arguments[0];
    const all = [...document.images].map((each) => { each.loading = "eager"; return each.decode(); });
    const widths = () => [...document.images].map((each) => each.naturalWidth);
    Promise.all(all).then(() => done(widths()), (why) => done(String(why)));"""
    widths = browser.execute_async_script(script)
    assert len(widths) > 10 and min(widths) > 300


@in_browser
def test_a_formula_is_set(look):
    browser = look("api-kdtheory.learners.html")
    script = """const flow = [...document.querySelectorAll("#GradientFlow")][0].closest("section");
    const formula = flow.querySelector(".math[aria-label*='e^(-']");
    const [base, above] = [formula.querySelector("sup").previousSibling, formula.querySelector("sup")];
    const range = document.createRange();
    const box = (each) => (range.selectNode(each), range.getBoundingClientRect());
    return [formula.textContent, getComputedStyle(formula.querySelector("i")).fontStyle,
            box(base).bottom - box(above).bottom, box(above).height / box(base).height];"""
    text, style, raised, smaller = browser.execute_script(script)
    assert text == "φ(λ) = 1 − e−λ·time" and style == "italic" and raised > 2 and smaller < 0.9


@in_browser
@pytest.mark.parametrize(
    "name", ["index", "explorer", "gallery", "claims-spectral-bias", "api-kdtheory.learners", "report"]
)
def test_a_phone_shows_it_without_scrolling_sideways(look, name):
    browser = look(f"{name}.html", PHONE)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]


@in_browser
def test_dark_and_light(look):
    paper = "return getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 26)"
    assert look("index.html").execute_script(paper) == light
    browser = look("index.html", scheme="dark")
    assert browser.execute_script(paper) == dark
    button = browser.find_element("css selector", "[data-scheme]")
    button.click()
    assert browser.execute_script(paper) == light
    button.click()
    browser.execute_script("localStorage.clear()")


@in_browser
def test_search_by_keyboard(look):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    browser = look("index.html")
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
    ActionChains(browser).send_keys("/").perform()
    field = browser.find_element("id", "search")
    WebDriverWait(browser, 30).until(lambda _: browser.switch_to.active_element == field)
    field.send_keys("matched_time")
    first = WebDriverWait(browser, 30).until(lambda _: browser.find_elements("css selector", ".search li a"))[0]
    assert first.get_attribute("href").endswith("api-kdtheory.measures.html#matched_time")
    ActionChains(browser).send_keys(Keys.ARROW_DOWN).perform()
    assert browser.switch_to.active_element == first
    first.send_keys(Keys.ENTER)
    WebDriverWait(browser, 30).until(lambda _: browser.current_url.endswith("#matched_time"))
    assert not browser.get_log("browser")


# The explorer.

STATES = [
    dict(learner=learner, exponent=exponent, count=count, stop=stop, clock=clock, truth=truth, noise=noise)
    for learner in ("flow", "descent", "ridge")
    for exponent, count, stop, clock, truth, noise in [
        (1.5, 50, 6, 4, 0, 0.001),
        (0, 7, 0.1, 0.1, 0.3, 1),
        (4, 200, 1000, 10000, 0, 1e-6),
        (0.85, 120, 33.1, 0.213, 1, 0.05),
        (2.2, 2, 0.47, 871, 0.02, 0.3),
    ]
]


def address(state):
    return "#" + "&".join(f"{name}={value}" for name, value in state.items())


def exact(state):
    """The numbers of the explorer in 40 digits, by the formulas as papers write them."""
    with mpmath.workdps(60):
        number = lambda name: mpmath.mpf(state[name])
        weight, clock, stop = 1 - number("truth"), number("clock"), number("stop")
        fraction = {
            "flow": lambda λ, t: 1 - mpmath.exp(-λ * t),
            "descent": lambda λ, t: 1 - (1 - λ / 2) ** (2 * t),
            "ridge": lambda λ, t: λ / (λ + 1 / t),
        }[state["learner"]]
        inverse = {
            "flow": lambda φ: -mpmath.log(1 - φ),
            "descent": lambda φ: mpmath.log(1 - φ) / (2 * mpmath.log(mpmath.mpf(1) / 2)),
            "ridge": lambda φ: φ / (1 - φ),
        }[state["learner"]]
        eigenvalues = [mpmath.mpf(k) ** -number("exponent") for k in range(1, int(state["count"]) + 1)]
        student = lambda λ: fraction(λ, clock) * (weight * fraction(λ, stop) + 1 - weight)
        with mpmath.workdps(9000):  # at the top of a long run the student lacks less than e^-10000
            same = inverse(student(mpmath.mpf(1)))
        taught = [student(λ) for λ in eigenvalues]
        caught = [fraction(λ, same) for λ in eigenvalues]
        bias = sum(λ * (1 - φ) ** 2 for λ, φ in zip(eigenvalues, taught, strict=True))
        variance = number("noise") * sum(φ**2 for φ in taught)
        alone = [fraction(λ, clock) for λ in eigenvalues]
        single = sum(λ * (1 - φ) ** 2 + number("noise") * φ**2 for λ, φ in zip(eigenvalues, alone, strict=True))
        return dict(
            eigenvalues=eigenvalues,
            teacher=alone,
            caught=caught,
            student=taught,
            matched=same,
            lag=[1 - s / t for s, t in zip(taught, caught, strict=True)],
            bias=bias,
            variance=variance,
            alone=single,
        )


def seen(browser):
    """What the page says now."""
    told = browser.execute_script("return explorer.numbers()")
    return told | dict(bias=told["risk"]["bias"], variance=told["risk"]["variance"], alone=told["alone"]["total"])


def agree(told, right):
    for name, wanted in right.items():
        got, wanted = np.ravel(told[name]), np.array([float(each) for each in np.ravel(wanted)])
        floor = 1e-14 if name == "lag" else 0.0  # where a student does not lag, what is left is rounding
        worst = np.max(np.abs(got - wanted) - 1e-9 * np.abs(wanted))
        assert worst <= floor, (name, worst, got, wanted)


@in_browser
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state['learner']}-{state['exponent']}")
def test_numbers_of_the_explorer_in_many_digits(look, state):
    browser = look(f"explorer.html{address(state)}")
    assert browser.execute_script("return explorer.state()") == state
    agree(seen(browser), exact(state))


def in_python(browser):
    """Runs the lines that the page shows, and returns what they made."""
    matplotlib.use("Agg")
    space = {}
    exec(browser.execute_script("return explorer.python()"), space)
    matplotlib.pyplot.close("all")
    return space


@in_browser
@pytest.mark.parametrize(
    "state", [STATES[i] for i in (0, 5, 8, 12)], ids=lambda state: f"{state['learner']}-{state['exponent']}"
)
def test_the_lines_in_python_make_the_same(look, state, capsys):
    browser = look(f"explorer.html{address(state)}")
    told, made = seen(browser), in_python(browser)
    assert capsys.readouterr().out
    spectrum = made["eigenvalues"]
    np.testing.assert_allclose(told["student"], made["student"].filter(spectrum), rtol=1e-9)
    np.testing.assert_allclose(
        told["teacher"], made["learner"](jnp.asarray(float(state["clock"]))).filter(spectrum), rtol=1e-9
    )
    risk = kd.measures.risk(made["student"], spectrum, 1.0, state["noise"])
    np.testing.assert_allclose(told["bias"], float(risk.bias.sum()), rtol=1e-9)
    np.testing.assert_allclose(told["variance"], float(risk.variance.sum()), rtol=1e-9)
    if state["learner"] == "flow" and state["truth"] == 0:
        level = told["student"][0]
        lag = kd.measures.exaggeration(spectrum[0], spectrum[1:], level, teacher_time=state["stop"])
        np.testing.assert_allclose(told["lag"][1:], lag, rtol=1e-9)


def drag(browser, panel, start, end):
    """A hand that takes a picture at one clock and moves to another; the clock where it arrives."""
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = browser.find_element("css selector", f"canvas[data-panel={panel}]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    left, right = 46, canvas.size["width"] - 12  # where its axis begins and ends
    place = lambda clock: left + (np.log10(clock) + 1) / 5 * (right - left)
    offset = lambda clock: round(place(clock) - canvas.size["width"] / 2)
    hand = ActionChains(browser, duration=20)
    hand.move_to_element_with_offset(canvas, offset(start), 0).click_and_hold()
    for share in (0.5, 1.0):
        hand.move_to_element_with_offset(canvas, offset(start ** (1 - share) * end**share), 0)
    hand.release().perform()
    return 10 ** ((offset(end) + canvas.size["width"] / 2 - left) / (right - left) * 5 - 1)


@in_browser
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_numbers_after_drags(look, size):
    browser = look("explorer.html#learner=descent&exponent=1&stop=6&clock=2", size)
    state = lambda: browser.execute_script("return explorer.state()")
    arrived = drag(browser, "time", 6, 60)
    assert state()["stop"] == pytest.approx(arrived, rel=0.02) and state()["clock"] == 2
    agree(seen(browser), exact(state()))
    arrived = drag(browser, "time", 2, 0.5)
    assert state()["clock"] == pytest.approx(arrived, rel=0.02)
    agree(seen(browser), exact(state()))
    told = seen(browser)
    arrived = drag(browser, "matched", told["matched"], 5)
    assert seen(browser)["matched"] == pytest.approx(arrived, rel=0.02)  # the student follows the hand
    agree(seen(browser), exact(state()))
    arrived = drag(browser, "risk", state()["clock"], 300)
    assert state()["clock"] == pytest.approx(arrived, rel=0.02)
    agree(seen(browser), exact(state()))


@in_browser
def test_sliders_by_keyboard_and_the_address(look):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    browser = look("explorer.html")
    slider = browser.find_element("id", "truth")
    slider.send_keys(*[Keys.ARROW_RIGHT] * 30)
    browser.find_element("css selector", "input[value=ridge]").click()
    state = browser.execute_script("return explorer.state()")
    assert state["truth"] == 0.3 and state["learner"] == "ridge"
    agree(seen(browser), exact(state))
    WebDriverWait(browser, 30).until(lambda _: "truth=0.3" in browser.current_url and "ridge" in browser.current_url)
    shown = browser.find_element("css selector", "[data-says=python]").text
    assert "kd.Ridge" in shown and "1 - 0.3" in shown
    again = look(browser.current_url.rpartition("/")[2])
    assert again.execute_script("return explorer.state()") == state
    broken = look("explorer.html#exponent=1e9&count=many&learner=magic&stop=&toString=1")
    assert broken.execute_script("return explorer.state()") | dict(exponent=1.5) == broken.execute_script(
        "return explorer.first"
    )
    assert broken.execute_script("return explorer.state().exponent") == 4
    assert not broken.get_log("browser")


@in_browser
def test_the_first_page_moves_under_a_hand(look):
    browser = look("index.html")
    before = browser.find_element("css selector", "[data-says=words]").text
    drag(browser, "matched", 6, 40)
    assert browser.find_element("css selector", "[data-says=words]").text != before
    assert re.search(r"a lag of \d+", before)
    state = browser.execute_script("return explorer.state()")
    browser.execute_script("explorer.settle()")
    browser.find_element("css selector", "a[data-opens]").click()
    assert browser.execute_script("return explorer.state()") == state
    assert not browser.get_log("browser")
