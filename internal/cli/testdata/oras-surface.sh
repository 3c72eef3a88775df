#!/bin/sh
# Prints the commands, aliases and flags that the help texts of ORAS show:
#
#	sh oras-surface.sh >oras-1.3.6-surface.txt
#
# A command has a line with its aliases, and under it one for each flag, with
# its short form, VALUE if it takes one, and its default if that is not empty.
set -e

show() {
	oras "$@" --help | awk -v path="$*" '
		function finish() {
			if (flag == "") return
			if (match(text, /\(default [^ ]+\)$/))
				flag = flag " = " substr(text, RSTART + 9, RLENGTH - 10)
			print flag
			flag = ""
		}
		/^[A-Z][A-Za-z ]*:$/ { part = $0 }
		part == "Aliases:" && /^  / { sub(/^  [^,]*, /, ""); aliases = " (" $0 ")" }
		part == "Flags:" && path != "" && !begun { begun = 1; print path aliases }
		part == "Flags:" && path != "" && /^ +-/ {
			finish()
			text = $0
			short = $1 ~ /,$/ ? $1 " " : ""
			match($0, /--[a-z-]+/)
			flag = "  " short substr($0, RSTART, RLENGTH) (substr($0, RSTART + RLENGTH) ~ /^ [^ ]/ ? " VALUE" : "")
			next
		}
		flag != "" && /^ / { text = $0 }
		END { finish() }'
	for sub in $(oras "$@" --help | awk '/^Available Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
		[ "$sub" = help ] || show "$@" "$sub"
	done
}

echo "# Made by oras-surface.sh with $(oras version | awk '/^Version/ { print "ORAS " $2 }')."
show
