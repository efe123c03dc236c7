# SPDX-License-Identifier: MIT
# bash completion for cowctl: asks cowctl itself, so that there is no second list of verbs and options.
# shellcheck shell=bash

_cowctl() {
    local current=${COMP_WORDS[COMP_CWORD]} words
    words=$(cowctl "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

# Where cowctl has nothing to offer it wants a file or a device.
complete -o default -F _cowctl cowctl
