"""Write the site of a workspace: the pages to start from, for people who decide.

Reads  the ledger, registry, statistics, queue, next-run plan, failure patterns and handoff, each as
       it was recorded, and which run reviews there are
Writes audit/site/index.html (the news of the ledger's newest day, and what waits for whom) and the
       pages beside it: leaderboard, families and a page for each, queue and plan, failure patterns,
       ledger, handoff
The pages are static: they open from the disk without a network. A long table has pages of 500 rows;
a page that stays the same is not written.
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
from postrun.overview import site_tables
from postrun.overview.site_pages import Maker
from postrun.store import page_files, records, site_files
from postrun.store.records import Output

ARTIFACT = "site"
_REPLACED = "site_replaced.html"


def build(request: RunRequest, _: RunPaths) -> StepResult:
    """Write every page that changed. Raises Missing, Invalid for a table that was edited."""
    root = request.root
    workspace = RunPaths.of_workspace(root)
    maker = Maker(site_tables.read(root))
    names = set()
    outputs = []
    for page in maker.pages():
        names.add(page.name)
        path = root / SITE / page.name
        if records.is_made_from(workspace, ARTIFACT, path, page.inputs):
            continue
        output = page_files.prepare(
            path,
            page.template,
            page.content,
            page.inputs,
        )
        outputs.append(output)
    outputs += _replaced(workspace, maker, names)
    records.write(workspace, ARTIFACT, outputs)
    number = terminal.counted(len(names), "page")
    return StepResult(number, (root / SITE / site_files.INDEX,))


def _replaced(
    workspace: RunPaths,
    maker: Maker,
    names: Collection[str],
) -> Iterator[Output]:
    """Yield what becomes of a page that was written once and has nothing to show any more.

    Nothing is deleted: a family may have got another name in the policy.
    """
    record = records.load(workspace, records.WORKSPACE)
    content = {
        "nav": maker.navigation,
        "current": "",
        "script_digest": "",
    }
    for row in record.rows:
        path = workspace.root / row["path"]
        # A copy that was kept beside has a second dot in its name.
        is_page = row["path"].startswith(f"{SITE}/") and path.name.count(".") == 1
        if is_page and path.name not in names:
            yield page_files.prepare(
                path,
                _REPLACED,
                content,
                [],
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
