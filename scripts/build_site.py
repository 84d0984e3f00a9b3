"""Write the site of a workspace: the pages to start from, for people who decide.

Reads  the ledger, registry, statistics, queue, next-run plan, failure patterns and handoff, each as
       it was recorded, and which run reviews there are
Writes audit/site/index.html (the news of the ledger's newest day, and what waits for whom) and the
       pages beside it: leaderboard, families and a page for each, queue and plan, failure patterns,
       ledger, handoff
The pages are static: they open from the disk without a network. A long table has pages of 100 rows.
A closing makes the pages of which something changed; this script alone makes every page again.
Exit codes: 0 done, 2 usage, 4 a table or the ledger is not as it was recorded, 9 locked.

    python scripts/build_site.py
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

from collections.abc import Collection, Iterator, Sequence

from postrun import cli
from postrun.core import terminal
from postrun.core.artifacts import SITE
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.overview import site_pages, site_tables
from postrun.overview.site_pages import Maker, SitePage
from postrun.store import page_files, records, site_files
from postrun.store.records import Output
from postrun.store.tables import Rows

ARTIFACT = "site"
_REPLACED = "site_replaced.html"


def build(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Write every page that changed. Raises Missing, Invalid for a table that was edited."""
    root = request.root
    workspace = RunPaths.of_workspace(root)
    shown = site_tables.read(root)
    pages = list(Maker(shown, run_paths.run).pages())
    made: Collection[str] = ()
    if not request.is_alone:
        inputs = {_path(page): page.inputs for page in pages}
        made = records.find_made(workspace, ARTIFACT, inputs)
    outputs = []
    for page in pages:
        if page.is_due or _path(page) not in made:
            output = page_files.prepare(
                root / _path(page),
                page.template,
                page.content,
                page.inputs,
            )
            outputs.append(output)
    names = {page.name for page in pages}
    outputs += _replaced(workspace, names)
    records.write(workspace, ARTIFACT, outputs)
    number = terminal.counted(len(names), "page")
    return StepResult(number, (root / SITE / site_files.INDEX,))


def _path(page: SitePage) -> str:
    return f"{SITE}/{page.name}"


def _replaced(workspace: RunPaths, names: Collection[str]) -> Iterator[Output]:
    """Yield what becomes of a page that was written once and has nothing to show any more.

    Nothing is deleted: a family may have got another name in the policy.
    """
    record = records.load(workspace, records.WORKSPACE)
    content = {
        "nav": site_pages.navigation(),
        "current": "",
        "script_digest": "",
    }
    former: dict[str, Rows] = {}
    for row in record.rows:
        folder, _, name = row["path"].rpartition("/")
        # A copy that was kept beside has a second dot in its name.
        is_page = folder == SITE and name.count(".") == 1
        if is_page and name not in names:
            former[row["path"]] = []
    made = records.find_made(workspace, ARTIFACT, former)
    for path, inputs in former.items():
        if path not in made:
            yield page_files.prepare(
                workspace.root / path,
                _REPLACED,
                content,
                inputs,
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the site of a workspace."""
    return cli.step_main(
        build,
        FLAGS,
        argv,
        needs_run=False,
        name="site",
    )


if __name__ == "__main__":
    raise SystemExit(main())
