# The glances: nonce root ours blocks tail first oldest tag... One poll of many runs, in one round trip. Run folders
# are listed from the name `first` on, each with + when it has a result, else -. No run of a tag began before `oldest`.
ours=$1 blocks=$2 tail=$3 first=$4 oldest=$5
shift 5
enter || { say end; exit 0; }
machine
say folders
{ ls "$runs" 2>/dev/null; printf '%s\n' "$first"; } | grep -E '^[0-9][0-9_-]*(_production_gates_[A-Za-z0-9._-]*)?$' |
    sort | sed -n "\\|^$first\$|,\$p" | while read -r name; do
    if [ -f "$runs/$name/result.json" ]; then
        printf '+%s\n' "$name"
    elif [ -d "$runs/$name" ]; then
        printf -- '-%s\n' "$name"
    fi
done
gates=$(all_gates)
gates=$(since "gate_results/production_gates_$oldest")
for tag; do
    say "watch $tag"
    watched "$tag" ''
done
say end
