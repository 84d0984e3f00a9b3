"""The pages of the site, each with what it shows and what it was made from.

Every page follows from the workspace's tables, the ledger, plan and handoff alone: the same
workspace gives the same bytes. The digest of what a page shows is recorded as its input: a page
that would show the same is not made again, and `make verify` says which pages are out of date.
Long tables are cut where they stay the same: the ledger and the trials of a family oldest first, so
that a closing changes their last page only.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from hashlib import sha256

from postrun.decide import planning
from postrun.overview import family_chart, news, registry_charts, standings
from postrun.overview.site_tables import (
    HANDOFF,
    LEDGER,
    PATTERNS,
    PLAN,
    SiteTables,
)
from postrun.registry.trials import FAMILIES, TRIALS
from postrun.store import ledger, make_lines, page_files, site_files
from postrun.store.tables import Row, Rows

_SCRIPT = "_site.js"
_MONTHS = 12  # of the table of failures
_LISTED = 50  # runs of one table of the first page
_COMMANDS = 20  # of the plan


@dataclass(frozen=True)
class SitePage:
    """One page: its file, its template, what it shows, and what it was made from.

    `work_out` gives what follows from the rest of the page and takes a while: it is called only
    when the page is written.
    """

    name: str
    template: str
    shown: Row
    inputs: Rows
    work_out: Callable[[], Row] = dict

    @cached_property
    def content(self) -> Row:
        """Return everything that the page shows."""
        return {**self.shown, **self.work_out()}


@dataclass(frozen=True)
class Maker:
    """Makes the pages of one workspace."""

    shown: SiteTables

    def pages(self) -> Iterator[SitePage]:
        """Yield every page."""
        yield self._index()
        yield from self._leaderboard()
        yield from self._families()
        for family in self.shown.leaderboard["families"]:
            yield from self._family(family)
        yield self._queue()
        yield self._patterns()
        yield from self._ledger()
        yield self._handoff()

    def _page(self, name: str, template: str, source: str, **content: object) -> SitePage:
        """Return a page; `source` is the artifact that most of it comes from.

        The digest in its inputs is that of everything it shows.
        """
        shown = {**content, "nav": self.navigation, "look": look()}
        used = self.shown.input_of(source, shown)
        complete = {
            **shown,
            "current": name,
            "script_digest": script_digest(),
        }
        return SitePage(name, template, complete, [used])

    @cached_property
    def navigation(self) -> Rows:
        """Return the links on top of every page."""
        last_of_ledger = len(site_files.cut(self.decisions))
        pages = {
            "News": site_files.INDEX,
            "Leaderboard": site_files.page_name("leaderboard"),
            "Families": site_files.page_name("families"),
            "Queue and plan": site_files.page_name("queue"),
            "Failure patterns": site_files.page_name("patterns"),
            "Ledger": site_files.page_name("ledger", last_of_ledger),
            "Handoff": site_files.page_name("handoff"),
        }
        return [{"label": label, "file": file} for label, file in pages.items()]

    @cached_property
    def decisions(self) -> Rows:
        """Return the decisions of the ledger, oldest first."""
        decisions = []
        for row in self.shown.ledger_rows:
            if ledger.kind(row) == ledger.DECISION:
                decisions.append(row)
        return decisions

    def _index(self) -> SitePage:
        shown = self.shown
        workspace = shown.workspace
        happened = news.describe(shown.ledger_rows)
        rows = [standings.describe(workspace, run) for run in workspace.runs]
        # The newest first: what was closed last is what people ask for.
        waiting = [self._with_links(row) for row in reversed(rows) if row["who"]]
        closed = [self._news_of(run) for run in happened["closed"][:_LISTED]]
        audited = [self._news_of(run) for run in happened["audited"][:_LISTED]]
        page = self._page(
            site_files.INDEX,
            "site_index.html",
            LEDGER,
            news=happened,
            closed=closed,
            audited=audited,
            waiting=waiting[:_LISTED],
            more=len(waiting) - len(waiting[:_LISTED]),
            counts=standings.count(rows),
        )
        # A run that is begun or closed elsewhere makes the page out of date, and nothing else.
        return replace(page, inputs=[*page.inputs, shown.input_of_open_runs()])

    def _news_of(self, run: str) -> Row:
        """Return what the news say of a run."""
        row = standings.describe(self.shown.workspace, run)
        described = self.shown.runs.get(run)
        return self._with_links({**row, "described": described})

    def _with_links(self, row: Row) -> Row:
        command = row["command"]
        if command is not None:
            places = make_lines.page_places(self.shown.root)
            command = " ".join([command, *places])
        review = self.shown.review(row["run"])
        return {**row, "review": review, "command": command}

    def _leaderboard(self) -> Iterator[SitePage]:
        described = self.shown.leaderboard
        numbered = [{**row, "place_of_score": n} for n, row in enumerate(described["rows"], 1)]
        cut = site_files.cut(numbered)
        for number, rows in enumerate(cut, 1):
            yield self._page(
                site_files.page_name("leaderboard", number),
                "site_leaderboard.html",
                standings.REGISTRY,
                rows=rows,
                statistics=described["statistics"],
                version=described["version"],
                pager=pager("leaderboard", number, cut),
            )

    def _families(self) -> Iterator[SitePage]:
        described = self.shown.leaderboard
        statistics = self.shown.policy.statistics
        families = registry_charts.with_means(
            described["families"],
            self.shown.runs,
            statistics,
        )
        runs = self.shown.runs.values()
        cut = site_files.cut(families)
        for number, rows in enumerate(cut, 1):
            pictures = None
            if number == 1:
                pictures = {
                    "funnel": registry_charts.funnel(runs, statistics),
                    "p_values": registry_charts.p_values(runs),
                    "families": registry_charts.drawn(families),
                }
            yield self._page(
                site_files.page_name("families", number),
                "site_families.html",
                FAMILIES,
                rows=rows,
                number=len(families),
                pictures=pictures,
                unknown=described["unknown"],
                statistics=statistics,
                pager=pager("families", number, cut),
            )

    def _family(self, family: Row) -> Iterator[SitePage]:
        name = family["family"]
        stem = site_files.family_stem(name)
        statistics = self.shown.policy.statistics
        trials = self.trials.get(name, [])
        cut = site_files.cut(trials)
        for number, rows in enumerate(cut, 1):
            is_last = number == len(cut)
            page = self._page(
                site_files.page_name(stem, number),
                "site_family.html",
                TRIALS,
                family=family,
                rows=rows,
                # The picture is of all of them.
                earlier_rows=trials[: -len(rows)] if is_last else [],
                last_page=site_files.page_name(stem, len(cut)),
                statistics=statistics,
                pager=pager(stem, number, cut),
            )
            charted = trials if is_last else []
            draw = partial(_family_chart, family, charted, statistics)
            yield replace(page, work_out=draw)

    @cached_property
    def trials(self) -> dict[str, Rows]:
        """Return the runs of each family, oldest first, each with its number."""
        families: dict[str, Rows] = {}
        numbers: Counter[str] = Counter()
        for row in self.shown.runs.values():
            family = row["family"]
            number = None
            # A dry run is listed, and is no trial.
            if row["is_trial"] is not False:
                numbers[family] += 1
                number = numbers[family]
            trial = {**row, "trial": number}
            families.setdefault(family, []).append(trial)
        return families

    def _queue(self) -> SitePage:
        shown = self.shown
        commands = []
        for command in (shown.plan or {"commands": []})["commands"][:_COMMANDS]:
            line = planning.command_line(command)
            review = shown.review(command["source_run"])
            commands.append({**command, "line": line, "review": review})
        queue = []
        for row in shown.queue:
            queue.append({**row, "review": shown.review(row["run"])})
        return self._page(
            site_files.page_name("queue"),
            "site_queue.html",
            PLAN,
            queue=queue,
            commands=commands,
            places=make_lines.page_places(shown.root),
            answered=(shown.plan or {}).get("workstation_answered"),
        )

    def _patterns(self) -> SitePage:
        lines = news.failing(self.shown.patterns)
        months = set()
        for line in lines:
            months.update(line["months"])
        return self._page(
            site_files.page_name("patterns"),
            "site_patterns.html",
            PATTERNS,
            lines=lines,
            months=sorted(months)[-_MONTHS:],
            failures=len(self.shown.patterns),
        )

    def _ledger(self) -> Iterator[SitePage]:
        shown = self.shown
        cut = site_files.cut(self.decisions)
        for number, decisions in enumerate(cut, 1):
            used = news.used_by(decisions, shown.ledger_rows)
            rows = []
            for row in news.with_answers(decisions, used):
                rows.append({**row, "review": shown.review(row["run"])})
            yield self._page(
                site_files.page_name("ledger", number),
                "site_ledger.html",
                LEDGER,
                # The newest on top, though the pages are cut from the oldest on.
                rows=rows[::-1],
                pager=pager("ledger", number, cut),
            )

    def _handoff(self) -> SitePage:
        shown = self.shown
        runs = {}
        if shown.handoff:
            runs = {row["run"]: shown.review(row["run"]) for row in shown.handoff["last_runs"]}
        return self._page(
            site_files.page_name("handoff"),
            "site_handoff.html",
            HANDOFF,
            handoff=shown.handoff,
            reviews=runs,
        )


def _family_chart(family: Row, trials: Rows, policy: Row) -> Row:
    """Return the picture of these trials as what a page shows."""
    return {"chart": family_chart.draw(family, trials, policy)}


def pager(stem: str, number: int, cut: Sequence[Sequence[Row]]) -> Rows:
    """Return the links between the pages of one table; none for a table of one page.

    A link says where its page begins: where the last one ends changes with each closing.
    """
    if len(cut) == 1:
        return []
    links = []
    first = 1
    for page, rows in enumerate(cut, 1):
        link = {
            "label": f"from {first:,}",
            "file": site_files.page_name(stem, page),
            "is_current": page == number,
        }
        links.append(link)
        first += len(rows)
    return links


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
