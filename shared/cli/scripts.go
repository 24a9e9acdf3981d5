package cli

// scripts hands the words on the line to `PROGRAM __complete` and offers what it
// prints.
var scripts = map[string]string{
	"bash": `# bash completion for PROGRAM
_PROGRAM() {
	local i word line last words=() glue=""
	# Bash takes "=" for an end of words; put them together again.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word="${COMP_WORDS[i]}"
		if [[ ${#words[@]} -gt 0 && ( "$word" == "=" || -n "$glue" ) ]]; then
			words[-1]+="$word"
		else
			words+=("$word")
		fi
		glue=""
		[[ "$word" == "=" ]] && glue=yes
	done
	last="${words[-1]}"
	COMPREPLY=()
	while IFS= read -r line; do
		line="${line%%$'\t'*}"
		[[ "$last" == *=* ]] && line="${line#"${last%%=*}="}"
		COMPREPLY+=("$line")
	done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
	[[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *= ]] && compopt -o nospace
	return 0
}
complete -o default -F _PROGRAM PROGRAM
`,
	"zsh": `#compdef PROGRAM
_PROGRAM() {
	local line
	local -a described
	while IFS= read -r line; do
		local word="${line%%$'\t'*}" about=""
		[[ "$line" == *$'\t'* ]] && about="${line#*$'\t'}"
		described+=("${word//:/\\:}:${about}")
	done < <("${words[1]}" __complete -- "${(@)words[2,$CURRENT]}" 2>/dev/null)
	if (( ${#described} )); then
		_describe PROGRAM described
	else
		_files
	fi
}
if [[ "${funcstack[1]}" == _PROGRAM ]]; then
	_PROGRAM "$@"
else
	compdef _PROGRAM PROGRAM
fi
`,
	"fish": `# fish completion for PROGRAM
function __PROGRAM_complete
	set -l words (commandline -opc) (commandline -ct)
	$words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
complete -c PROGRAM -n '__fish_seen_subcommand_from validate import' -F
`,
}
