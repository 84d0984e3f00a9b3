# `make` shows what there is. A value such as TAG counts only on make's command line, never from the environment,
# where other tools keep a TAG or HOST of their own.

BIN := .venv/bin
PY := $(BIN)/python

flag_TAG := --tag
flag_TAGS := --tags
flag_HOST := --host
flag_REMOTE_ROOT := --remote-root
flag_SCHEDULER := --scheduler
flag_LOCAL_ROOT := --local-root
flag_OBJECTIVE := --objective
flag_INTERVAL := --interval
flag_RANK := --rank
flag_RANKS := --ranks
flag_FORMAT := --format
flag_ABANDONED := --abandoned
flag_OWNER := --owner
flag_NOTES := --notes
flag_THREADS := --threads
flag_DATA := --data
flag_GATE := --gate
flag_KEY := --key
flag_CHECK := --check
flag_REASON := --reason
flag_SHARD := --shard
flag_SHARDS := --shards
flag_RESULTS := --results
flag_SQL := --sql
flag_OUT := --out
flag_PROMETHEUS := --prometheus
flag_URI := --uri
flag_TO := --to
flag_FROM := --from
flag_MEMBER := --member
WHERE := TAG HOST REMOTE_ROOT SCHEDULER LOCAL_ROOT
OFFICIAL := OWNER NOTES THREADS DATA GATE

# make expands what it is given, so TAG='$(shell …)' would run: each value is frozen as typed, handed on through the
# environment and quoted by the shell. The scripts refuse what is no tag.
NAMES := $(patsubst flag_%,%,$(filter flag_%,$(.VARIABLES)))
GIVEN := $(foreach name,$(NAMES),$(if $(filter command,$(origin $(name))),$(name)))
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
# The scripts answer in make's words when they know that it was make.
export POSTRUN_TARGET = $@
flags = $(foreach name,$(filter $(GIVEN),$(1)),$(flag_$(name))="$$$(name)")

RUN := $(BIN)/.run
NOTIFY := $(BIN)/.notify
PACKAGE := $(BIN)/.package
ASK := $(BIN)/.ask
MLFLOW := $(BIN)/.mlflow
TEAM := $(BIN)/.team
DEV := $(BIN)/.dev

##@ Begin

.PHONY: help setup setup-notify setup-package setup-ask setup-mlflow setup-team demo demo-trials
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-24s%s\n", $$1, $$2}' Makefile

setup: $(RUN) ## make .venv from the locked requirements; install rsync, ssh, ps if missing
	@$(if $(PYTHON),sh .ci/setup python &&) echo ".venv is ready"

setup-notify: $(NOTIFY) ## install what notifications need: see docs/RUNBOOK.md
	@echo ".venv is ready for notifications"

setup-package: $(PACKAGE) ## install what `make package` needs: see docs/RUNBOOK.md
	@echo ".venv is ready for packages"

setup-ask: $(ASK) ## install what `make ask` needs: see docs/RUNBOOK.md
	@echo ".venv is ready for questions in SQL"

setup-mlflow: $(MLFLOW) ## install what `make mlflow` needs: see docs/RUNBOOK.md
	@echo ".venv is ready for MLflow"

setup-team: $(TEAM) ## install what a bucket as a team's root needs: see docs/TEAM.md
	@echo ".venv is ready for a bucket"

demo: $(RUN) ## run, monitor and close a small real gate run, in a new folder
	@$(PY) examples/demo.py || [ $$? -eq 1 ]

demo-trials: $(RUN) ## show what many trials do to a good result; a few minutes
	@$(PY) examples/demo_trials.py

##@ Close a run: TAG=… [HOST=…] [REMOTE_ROOT=…] [LOCAL_ROOT=…] [OBJECTIVE=…]

.PHONY: finalize monitor-then-finalize watch
finalize: $(RUN) ## do every step for a run that has ended; [ABANDONED=reason] if it is dead
	@$(PY) scripts/post_run_sync_and_finalize.py $(call flags,$(WHERE) OBJECTIVE ABANDONED)

monitor-then-finalize: $(RUN) ## wait for the run to end, then finalize; [INTERVAL=seconds]
	@$(PY) scripts/monitor_then_finalize.py $(call flags,$(WHERE) OBJECTIVE INTERVAL)

watch: $(RUN) ## monitor all unfinished runs, close each when it ends; [INTERVAL=s PROMETHEUS=file]
	@$(PY) scripts/watch_runs.py $(call flags,HOST REMOTE_ROOT SCHEDULER LOCAL_ROOT INTERVAL PROMETHEUS)

##@ One step: TAG=… [HOST=…] [REMOTE_ROOT=…] [LOCAL_ROOT=…]

# generated: make-steps (`make docs` writes this part; what is written here by hand is lost)
.PHONY: detect-run
detect-run: $(RUN) ## 1-2 find the run and its gate report on the workstation; [ABANDONED=…]
	@$(PY) scripts/detect_run.py $(call flags,$(WHERE) ABANDONED)

.PHONY: sync-run
sync-run: $(RUN) ## 3   copy both folders and verify every file
	@$(PY) scripts/sync_run.py $(call flags,$(WHERE))

.PHONY: finalize-gate-run
finalize-gate-run: $(RUN) ## 4   write the decision into the ledger and on one page; [OBJECTIVE=…]
	@$(PY) scripts/finalize_gate_run.py $(call flags,$(WHERE) OBJECTIVE)

.PHONY: governance-audit
governance-audit: $(RUN) ## 5   answer every check of the catalogue
	@$(PY) scripts/governance_audit_checker.py $(call flags,$(WHERE))

.PHONY: remediation-plan
remediation-plan: $(RUN) ## 6   list what to repair, most severe first
	@$(PY) scripts/governance_remediation_plan.py $(call flags,$(WHERE))

.PHONY: run-review
run-review: $(RUN) ## 7   write the page for the committee
	@$(PY) scripts/generate_run_review.py $(call flags,$(WHERE))

.PHONY: factor-registry
factor-registry: $(RUN) ## 8   score the run and put it into the registry
	@$(PY) scripts/update_factor_experiment_registry.py $(call flags,$(WHERE))

.PHONY: candidate-queue
candidate-queue: $(RUN) ## 9   rank what deserves the next run; needs no TAG
	@$(PY) scripts/generate_candidate_queue.py $(call flags,$(WHERE))

.PHONY: next-run-plan
next-run-plan: $(RUN) ## 10  turn the queue into commands that can be run; needs no TAG
	@$(PY) scripts/generate_next_run_plan.py $(call flags,$(WHERE))

.PHONY: failure-patterns
failure-patterns: $(RUN) ## 11  record which checks failed, and which came back
	@$(PY) scripts/update_failure_pattern_db.py $(call flags,$(WHERE))

.PHONY: handoff-readiness
handoff-readiness: $(RUN) ## 12  check whether the work can be handed over; needs no TAG
	@$(PY) scripts/check_session_handoff_readiness.py $(call flags,$(WHERE))

.PHONY: site
site: $(RUN) ## -   write the pages to start from: audit/site/index.html; needs no TAG
	@$(PY) scripts/build_site.py $(call flags,$(WHERE))
# end of generated part

.PHONY: official-run next-run
official-run: $(RUN) ## start a run on the workstation: TAG=… DATA=… GATE=… [OWNER=… NOTES=… THREADS=…]
	@$(PY) scripts/start_official_run.py $(call flags,$(WHERE) $(OFFICIAL))

next-run: $(RUN) ## start a planned run on the workstation: RANK=…, or RANKS=1-4 as one array of Slurm
	@$(PY) scripts/execute_next_run_plan.py $(call flags,$(WHERE) RANK RANKS)

.PHONY: status compare families ask junit mlflow settle verify
settle: $(RUN) ## say why a failure of a run without factor needs no repair: TAG=… CHECK=… REASON=…
	@$(PY) scripts/settle_failure.py $(call flags,$(WHERE) CHECK REASON)

status: $(RUN) ## show where every run stands, and what waits for whom
	@$(PY) scripts/show_status.py $(call flags,LOCAL_ROOT)

compare: $(RUN) ## show what differs between closed runs: TAGS="a b c" [FORMAT=markdown or html]
	@$(PY) scripts/compare_runs.py $(call flags,TAGS LOCAL_ROOT FORMAT)

families: $(RUN) ## show how often each family of factors was tried, and what its best is worth
	@$(PY) scripts/list_families.py $(call flags,LOCAL_ROOT)

ask: $(RUN) ## answer a question in SQL, or list the tables: SQL="…" [FORMAT=csv or json, OUT=file]
	@$(PY) scripts/ask_workspace.py $(call flags,SQL FORMAT OUT LOCAL_ROOT)

junit: $(RUN) ## write a run's checks as JUnit XML, for Jenkins and GitLab: TAG=… [OUT=file]
	@$(PY) scripts/export_junit.py $(call flags,TAG OUT LOCAL_ROOT)

mlflow: $(RUN) ## log closed runs to an MLflow server: URI=… or MLFLOW_TRACKING_URI; [TAG=…]
	@$(PY) scripts/export_mlflow.py $(call flags,TAG URI LOCAL_ROOT)

verify: $(RUN) ## prove that everything is what was written; name what was edited; [TAG=…]
	@$(PY) scripts/verify_workspace.py $(call flags,TAG LOCAL_ROOT)

##@ Sign what was closed, with your SSH key: [KEY=…] [LOCAL_ROOT=…]

.PHONY: approve seal
approve: $(RUN) ## approve a closed run, and decide on it again: TAG=… [NOTES=…]
	@$(PY) scripts/approve_run.py $(call flags,$(WHERE) NOTES KEY)

seal: $(RUN) ## seal the ledger and every closing record
	@$(PY) scripts/seal_ledger.py $(call flags,LOCAL_ROOT KEY)

##@ Work in a team: [LOCAL_ROOT=…]

.PHONY: push pull choose-closing
push: $(RUN) ## add what this root has to the team's: TO=host:/folder [MEMBER=name, the first time]
	@$(PY) scripts/push_runs.py $(call flags,TO MEMBER LOCAL_ROOT)

pull: $(RUN) ## take over what the others pushed: FROM=host:/folder [MEMBER=name, the first time]
	@$(PY) scripts/pull_runs.py $(call flags,FROM MEMBER LOCAL_ROOT)

choose-closing: $(RUN) ## choose among different closings of a run: TAG=… MEMBER=… REASON=…
	@$(PY) scripts/choose_closing.py $(call flags,$(WHERE) MEMBER REASON)

##@ Keep what was closed: [LOCAL_ROOT=…]

.PHONY: package restore-ledger retention-plan retention-archive retention-restore
package: $(RUN) ## pack a closed run into one zip, to hand it over: TAG=…
	@$(PY) scripts/package_run.py $(call flags,$(WHERE))

restore-ledger: $(RUN) ## put the ledger together again after rows of it were lost
	@$(PY) scripts/restore_ledger.py $(call flags,LOCAL_ROOT)

retention-plan: $(RUN) ## list what may be archived and why, and which runs may not; [TAG=…]
	@$(PY) scripts/retention_plan.py $(call flags,TAG LOCAL_ROOT)

retention-archive: $(RUN) ## archive that, and move the originals away; deletes nothing; [TAG=…]
	@$(PY) scripts/retention_archive.py $(call flags,TAG LOCAL_ROOT)

retention-restore: $(RUN) ## bring the archived files of a run back to their places: TAG=…
	@$(PY) scripts/retention_restore.py $(call flags,$(WHERE))

##@ All runs on a cluster, as jobs of Slurm: SHARDS=8 [LOCAL_ROOT=…]

.PHONY: rebuild-on-slurm verify-on-slurm
rebuild-on-slurm: $(RUN) ## make registry and failure patterns again from all run folders
	@$(PY) scripts/rebuild_on_slurm.py $(call flags,SHARDS LOCAL_ROOT)

verify-on-slurm: $(RUN) ## what `make verify` does, its runs in parallel
	@$(PY) scripts/verify_on_slurm.py $(call flags,SHARDS LOCAL_ROOT)

##@ Look after the project

.PHONY: test check check-fast nightly fault-matrix validate docs lock bench
test: $(DEV) ## run the tests; installs what they need (openssh-server too)
	$(PY) -m pytest -q -n 2 -m "not nightly"

check: $(DEV) ## check what a commit needs: style, types, generated docs, schemas, tests
	sh .ci/check
	@$(MAKE) --no-print-directory test

check-fast: $(DEV) ## check style, types, docs, schemas and structure only; under a minute
	sh .ci/check fast

nightly: $(DEV) ## check, then the slow tests and the cases beside the checkout
	$(PY) .ci/nightly.py

fault-matrix: $(DEV) ## disturb each file operation of a closing; about an hour; [SHARD=1/4 RESULTS=file]
	@$(PY) tests/fault_matrix.py $(call flags,SHARD RESULTS)

validate: $(RUN) ## check every JSON artifact against its schema
	@$(PY) scripts/validate_artifacts.py

docs: $(RUN) ## write the generated parts of docs, Makefile and hooks
	@$(PY) scripts/generate_docs.py

lock: ## resolve requirements*.in again into requirements*.txt, with hashes
	@sh .ci/lock

bench: $(DEV) ## measure what closing a run costs, and how often luck is promoted
	@$(PY) benchmarks/flow_over_ssh.py
	@$(PY) benchmarks/startup.py
	@$(PY) benchmarks/growth.py --all $(if $(SIZES),--sizes $(SIZES))
	@$(PY) benchmarks/large_runs.py
	@$(PY) benchmarks/watch_many_runs.py
	@$(PY) benchmarks/watch_slurm_jobs.py
	@$(PY) benchmarks/trial_statistics.py
	@$(PY) benchmarks/false_promotion.py

$(RUN): requirements.txt .ci/setup
	@sh .ci/setup run

$(NOTIFY): $(RUN) requirements-notify.txt
	@sh .ci/setup notify

$(PACKAGE): $(RUN) requirements-package.txt
	@sh .ci/setup package

$(ASK): $(RUN) requirements-ask.txt
	@sh .ci/setup ask

$(MLFLOW): $(RUN) requirements-mlflow.txt
	@sh .ci/setup mlflow

$(TEAM): $(RUN) requirements-team.txt
	@sh .ci/setup team

$(DEV): $(RUN) requirements-dev.txt
	@sh .ci/setup dev
