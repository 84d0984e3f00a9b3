# Completes targets of make, their values, and decision tags, in bash and zsh:
#
#     source completion.bash
#
# In zsh first: autoload -U compinit bashcompinit && compinit && bashcompinit
# Outside of this project, make is completed as before by targets of the Makefile alone.

# The workspace that the line names, else the project.
_postrun_root() {
    local rest=${COMP_LINE#* LOCAL_ROOT=}
    if [ "$rest" = "$COMP_LINE" ]; then rest=.; fi
    printf '%s\n' "${rest%% *}"
}

# The tags of the runs in a workspace, as in their folders' names.
_postrun_tags() {
    local folder
    for folder in "$1"/audit/workstation_runs/*_production_gates_*/; do
        [ -d "$folder" ] || continue
        folder=${folder%/}
        printf '%s\n' "${folder##*_production_gates_}"
    done
}

_postrun_make() {
    # bash takes `=` for the end of a word.
    local line=${COMP_LINE:0:COMP_POINT}
    local current=${line##* } words value
    COMPREPLY=()
    [ -f Makefile ] || return 0
    case $current in
    TAG=*)
        value=${current#TAG=}
        COMPREPLY=($(compgen -W "$(_postrun_tags "$(_postrun_root)")" -- "$value"))
        ;;
    LOCAL_ROOT=* | REMOTE_ROOT=* | KEY=*)
        value=${current#*=}
        COMPREPLY=($(compgen -f -- "$value"))
        ;;
    [A-Z]*)
        words=$(sed -n 's/^flag_\([A-Z_]*\) :=.*/\1=/p' Makefile)
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        compopt -o nospace 2>/dev/null
        ;;
    *)
        words=$(sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' Makefile)
        COMPREPLY=($(compgen -W "$words" -- "$current"))
        ;;
    esac
}

complete -o default -F _postrun_make make
