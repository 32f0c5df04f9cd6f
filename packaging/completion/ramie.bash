# Completion of the ramie command for bash; the names of subcommands and options come from its own --help.
_ramie() {
  local word=${COMP_WORDS[COMP_CWORD]} path=("${COMP_WORDS[@]:1:COMP_CWORD-1}") words=() step
  local -a kept=()
  for step in "${path[@]}"; do [[ $step == -* ]] || kept+=("$step"); done
  mapfile -t words < <("${COMP_WORDS[0]}" "${kept[@]}" --help 2>/dev/null |
    sed -nE 's/^  (-[^ ,]*,)?(--?[a-z-]+).*/\2/p; s/^  ([a-z][a-z-]*)  .*/\1/p')
  mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$word")
  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -F _ramie ramie
