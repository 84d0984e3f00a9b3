# The launch: nonce root words... Run this one command from the root, its words as they are; tell what it said.
enter || { say end; exit 0; }
say output
"$@" </dev/null 2>&1
code=$?
say code
echo "$code"
say end
