# Run one command from the root; answer with its output and its exit code.
# Arguments: nonce root word... The words of the command are not read by any shell.
# shellcheck shell=sh
enter_root || { begin_part end; exit 0; }
# Slurm starts no job whose output has no folder.
[ "$1" != sbatch ] || mkdir -p "$runs"
begin_part output
"$@" </dev/null 2>&1
code=$?
begin_part code
echo "$code"
begin_part end
