"""The pages of the site, each with what it was made from, and what it shows.

Every page follows from the workspace's tables, the ledger, plan and handoff alone: the same
workspace gives the same bytes. What a page is made from is known without a look at its rows: the
digest of each row is in the index, and a page is recorded with the digest over those of its rows. A
page that is made from the same is not made again, and `make verify` says which are out of date.
Ledger and trials of a family are cut from the oldest on, and only the newest page of each says what
changes with every closing. So a closing changes that page only.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from hashlib import sha256
from operator import itemgetter

from postrun.core import disk
from postrun.decide import planning
from postrun.overview import family_chart, found_runs, news, registry_charts, standings
from postrun.overview.ledger_pages import LISTED, LedgerPage
from postrun.overview.site_tables import (
    HANDOFF,
    LEDGER,
    PATTERNS,
    PLAN,
    SiteTables,
)
from postrun.registry.trials import FAMILIES, TRIALS
from postrun.store import make_lines, page_files, site_files
from postrun.store.table_index import DIGITS, Digests
from postrun.store.tables import Row, Rows

_SCRIPT = "_site.js"
_MONTHS = 12  # of the table of failures
_COMMANDS = 20  # of the plan
_NONE = Digests("", "")


@dataclass(frozen=True)
class SitePage:
    """One page: its file, its template, what it was made from, and what works out what it shows.

    One that `is_due` shows the run of this closing, whose review may be new.
    """

    name: str
    template: str
    inputs: Rows
    work_out: Callable[[], Row]
    is_due: bool = False

    @cached_property
    def content(self) -> Row:
        """Return everything that the page shows."""
        return {
            **self.work_out(),
            "nav": navigation(),
            "current": self.name,
            "script_digest": script_digest(),
        }


@dataclass(frozen=True)
class Maker:
    """Makes the pages of one workspace."""

    shown: SiteTables
    run: str = ""  # that is just being closed

    def pages(self) -> Iterator[SitePage]:
        """Yield every page."""
        yield self._index()
        yield self._leaderboard()
        yield self._all_families()
        yield from self._families()
        yield self._queue()
        yield self._patterns()
        yield from self._ledger()
        yield self._handoff()

    def _page(
        self,
        name: str,
        source: str,
        used: Row,
        work_out: Callable[[], Row],
        template: str = "",
        rows: int = 0,
    ) -> SitePage:
        """Return a page; `source` is the artifact that most of it comes from.

        `used` says of what it is made: what it shows, or digests of that.
        """
        source_of_page = self.shown.input_of(
            source,
            {**used, "look": look()},
            rows,
        )
        return SitePage(
            name,
            template or f"site_{name}",
            [source_of_page],
            work_out,
        )

    def _shown_page(
        self,
        name: str,
        source: str,
        content: Row,
    ) -> SitePage:
        """Return a page that shows little enough to be worked out each time."""
        return self._page(
            name,
            source,
            content,
            lambda: content,
        )

    def _index(self) -> SitePage:
        shown = self.shown
        happened = shown.ledger.news()
        number, open_runs = shown.known_runs
        waiting = found_runs.find_waiting(shown.registry, shown.commands, open_runs)
        # The newest first: what was closed last is what people ask for.
        listed = waiting[:LISTED]
        runs = {*happened["closed"], *happened["audited"], *listed}
        described = self._describe_runs(runs)
        content = {
            "news": happened,
            "closed": list(map(described.get, happened["closed"])),
            "audited": list(map(described.get, happened["audited"])),
            "waiting": list(map(described.get, listed)),
            "more": len(waiting) - len(listed),
            "counts": {"runs": number, "open": len(open_runs)},
        }
        page = self._shown_page(site_files.INDEX, LEDGER, content)
        # A run that is begun or closed elsewhere makes the page out of date, and nothing else.
        return replace(page, inputs=[*page.inputs, shown.input_of_open_runs()])

    def _describe_runs(self, runs: set[str]) -> dict[str, Row]:
        """Return where some runs stand, and what the tables say of those that are registered."""
        workspace = self.shown.workspace(runs)
        registered = list(workspace.registry.values())
        known = {row["run"]: row for row in self.shown.describe(registered)}
        reviews = self.shown.find_reviews(runs)
        described = {}
        for run in runs:
            row = standings.describe(workspace, run)
            command = row["command"]
            if command is not None:
                places = make_lines.page_places(self.shown.root)
                command = " ".join([command, *places])
            described[run] = {
                **row,
                "described": known.get(run),
                "review": reviews[run],
                "command": command,
            }
        return described

    def _of_all_runs(self) -> Row:
        """Return what a page on all runs is made from."""
        shown = self.shown
        return {
            "registry": shown.registry.digest,
            "trials": shown.trials.digest,
            "policy": shown.policy.digest,
        }

    def _leaderboard(self) -> SitePage:
        shown = self.shown
        used = self._of_all_runs()

        def work_out() -> Row:
            rows = []
            for place, row in enumerate(shown.best(site_files.ROWS), start=1):
                rows.append({**row, "place_of_score": place})
            return {
                "rows": rows,
                "number": shown.registry.count(),
                "statistics": shown.policy.statistics,
                "version": shown.policy.rules["policy_version"],
            }

        page = self._page("leaderboard.html", standings.REGISTRY, used, work_out)
        return replace(page, is_due=bool(self.run))

    @cached_property
    def families(self) -> Rows:
        """Return the families as pages show them."""
        return list(map(self.shown.describe_family, self.shown.families.select()))

    def _all_families(self) -> SitePage:
        shown = self.shown
        used = {**self._of_all_runs(), "families": shown.families.digest}
        return self._page(
            "families.html",
            FAMILIES,
            used,
            self._show_families,
            rows=len(self.families),
        )

    def _show_families(self) -> Row:
        shown = self.shown
        statistics = shown.policy.statistics
        # Those with the least p: what luck explains worst.
        ordered = sorted(self.families, key=itemgetter("p", "family"))
        best = ordered[: site_files.ROWS]
        best_runs = [row["best_run"] for row in best if row["best_run"]]
        registered = shown.registry.select_each("run", best_runs)
        by_run = {row["run"]: row for row in registered}
        described = registry_charts.with_means(best, by_run, statistics)
        unknown = 0
        if self.families:
            unknown = self.families[0]["of_unknown_factor"]
        return {
            "rows": described,
            "others": sorted(ordered[site_files.ROWS :], key=itemgetter("family")),
            "number": len(self.families),
            "pictures": {
                "funnel": registry_charts.funnel(shown.registry, shown.trials, statistics),
                "p_values": registry_charts.p_values(shown.trials),
                "families": registry_charts.drawn(described),
            },
            "trials": sum(row["trials"] for row in self.families),
            "unknown": unknown,
            "statistics": statistics,
        }

    def _families(self) -> Iterator[SitePage]:
        registered = self.shown.registry.digests_by("family")
        judged = self.shown.trials.digests_by("family")
        due_family, due_page = self._page_of_run()
        for family in self.families:
            name = family["family"]
            pages = self._family(
                family,
                registered.get(name, _NONE).whole,
                judged.get(name, _NONE),
            )
            for number, page in enumerate(pages):
                if name == due_family and number == due_page:
                    page = replace(page, is_due=True)
                yield page

    def _page_of_run(self) -> tuple[str | None, int]:
        """Return the family of the run that is being closed, and on which of its pages that is."""
        registry = self.shown.registry
        for row in registry.select_each("run", [self.run], ["family"]):
            earlier = registry.count("family = ? AND run < ?", row["family"], self.run)
            return row["family"], earlier // site_files.ROWS
        return None, 0

    def _family(
        self,
        family: Row,
        registered: str,
        judged: Digests,
    ) -> Iterator[SitePage]:
        """Yield the pages of a family, from the digests of its rows."""
        stem = site_files.family_stem(family["family"])
        number = len(registered) // DIGITS
        width = DIGITS * site_files.ROWS
        count = len(site_files.cut(range(number)))
        before = ""
        for page, name in enumerate(site_files.page_names(stem, count), start=1):
            first = (page - 1) * width
            rows = slice(first, first + width)
            links = pager(stem, page, count)
            is_newest = page == count
            # Where a trial stands among those of today changes with each of them.
            of_rows = registered[rows] + judged.lasting[rows]
            used: Row = {
                "digests": before + of_rows,
                "pager": links,
                "policy": self.shown.policy.digest,
            }
            before = disk.content_digest((before + of_rows).encode())
            if is_newest:
                used |= {"now": judged.whole[rows], "family": _without_q(family)}
            yield self._page(
                name,
                TRIALS,
                used,
                partial(self._show_family, family, page, links, is_newest),
                "site_family.html",
                min(number - (page - 1) * site_files.ROWS, site_files.ROWS),
            )

    def _show_family(
        self,
        family: Row,
        page: int,
        links: Rows,
        is_newest: bool,
    ) -> Row:
        shown = self.shown
        name = family["family"]
        first = (page - 1) * site_files.ROWS
        statistics = shown.policy.statistics
        numbers = {}
        charted = _numbered(shown.charted(name))
        for row in charted:
            numbers[row["run"]] = row["trial"]
        rows = []
        for row in shown.of_family(name, first, site_files.ROWS):
            rows.append({**row, "trial": numbers[row["run"]]})
        chart = None
        if is_newest:
            chart = family_chart.draw(family, charted, statistics)
        return {
            "family": family,
            "rows": rows,
            "chart": chart,
            "is_newest": is_newest,
            "statistics": statistics,
            "pager": links,
        }

    def _queue(self) -> SitePage:
        shown = self.shown
        planned = (shown.plan or {"commands": []})["commands"][:_COMMANDS]
        runs = {row["run"] for row in shown.queue}
        runs.update(command["source_run"] for command in planned)
        reviews = shown.find_reviews(sorted(runs))
        commands = []
        for command in planned:
            line = planning.command_line(command)
            review = reviews[command["source_run"]]
            commands.append({**command, "line": line, "review": review})
        content = {
            "queue": [{**row, "review": reviews[row["run"]]} for row in shown.queue],
            "commands": commands,
            "places": make_lines.page_places(shown.root),
            "answered": (shown.plan or {}).get("workstation_answered"),
        }
        return self._shown_page("queue.html", PLAN, content)

    def _patterns(self) -> SitePage:
        patterns = self.shown.patterns

        def work_out() -> Row:
            lines = news.failing(patterns)
            months = set()
            for line in lines:
                months.update(line["months"])
            return {
                "lines": lines,
                "months": sorted(months)[-_MONTHS:],
                "failures": patterns.count(),
            }

        used = {"patterns": patterns.digest}
        return self._page("patterns.html", PATTERNS, used, work_out)

    def _ledger(self) -> Iterator[SitePage]:
        pages = self.shown.ledger.pages()
        names = site_files.page_names("ledger", len(pages))
        decided = {row["number"] for row in self.shown.ledger.decisions([self.run]).values()}
        for number, (name, page) in enumerate(zip(names, pages, strict=True), start=1):
            links = pager("ledger", number, len(pages))
            made = self._page(
                name,
                LEDGER,
                {"stamp": page.stamp, "pager": links},
                partial(self._show_ledger, page, links),
                "site_ledger.html",
                len(page.decisions),
            )
            if not decided.isdisjoint(page.decisions):
                made = replace(made, is_due=True)
            yield made

    def _show_ledger(self, page: LedgerPage, links: Rows) -> Row:
        rows = self.shown.ledger.rows(page)
        reviews = self.shown.find_reviews({row["run"] for row in rows})
        shown = [{**row, "review": reviews[row["run"]]} for row in rows]
        # The newest on top, though the pages are cut from the oldest on.
        return {"rows": shown[::-1], "pager": links}

    def _handoff(self) -> SitePage:
        handoff = self.shown.handoff
        last_runs = (handoff or {"last_runs": []})["last_runs"]
        reviews = self.shown.find_reviews([row["run"] for row in last_runs])
        content = {"handoff": handoff, "reviews": reviews}
        return self._shown_page("handoff.html", HANDOFF, content)


def _without_q(family: Row) -> Row:
    """Return a family without what the other families change: its page does not show that."""
    return {**family, "q": None}


def _numbered(rows: Rows) -> Rows:
    """Return the runs of a family, oldest first, each with its number among the trials."""
    numbered = []
    last = 0
    for row in rows:
        number = None
        # A dry run is listed, and is no trial.
        if row["is_trial"] is not False:
            last += 1
            number = last
        numbered.append({**row, "trial": number})
    return numbered


def pager(stem: str, number: int, count: int) -> Rows:
    """Return the links between the pages of one table; none for a table of one page.

    The newest page leads to all of them, any other to those beside it and to the newest: it stays
    the same when there is one more. So does what a link says: where its page begins.
    """
    if count == 1:
        return []
    first, last = 1, count
    if number < count:
        first, last = max(number - 1, 1), number + 1
    links = []
    for page in range(first, last + 1):
        begin = (page - 1) * site_files.ROWS + 1
        link = {
            "label": f"from {begin:,}",
            "file": site_files.page_name(stem, page, count),
            "is_current": page == number,
        }
        links.append(link)
    if number < count:
        newest = {
            "label": "the newest",
            "file": site_files.page_name(stem, count, count),
            "is_current": False,
        }
        links.append(newest)
    return links


@cache
def navigation() -> Rows:
    """Return the links on top of every page."""
    pages = {
        "News": site_files.INDEX,
        "Leaderboard": "leaderboard.html",
        "Families": "families.html",
        "Queue and plan": "queue.html",
        "Failure patterns": "patterns.html",
        "Ledger": "ledger.html",
        "Handoff": "handoff.html",
    }
    return [{"label": label, "file": file} for label, file in pages.items()]


@cache
def look() -> str:
    """Return the digest of all templates: with others, every page is written again."""
    return page_files.templates_digest()


@cache
def script_digest() -> str:
    """Return the digest by which a page allows its own script, and no other, to run."""
    script = page_files.page(_SCRIPT)
    digest = base64.b64encode(sha256(script.encode()).digest())
    return f"sha256-{digest.decode()}"
