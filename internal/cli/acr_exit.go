package cli

import (
	"github.com/spf13/cobra"
)

// azAnnotation marks the commands that az has too.
const azAnnotation = "az"

// asAz marks a command, and those below it, as one that az has: it ends with
// the exit codes of az, which scripts go by.
func asAz(cmd *cobra.Command) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[azAnnotation] = ""
	return cmd
}

// isAz reports whether a command is marked by asAz.
func isAz(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if _, ok := cmd.Annotations[azAnnotation]; ok {
			return true
		}
	}
	return false
}

// exitAbsent is the exit code of az for what a show command did not find.
const exitAbsent = 3

// exitCodeOf is the exit code of a command that failed.
func exitCodeOf(cmd *cobra.Command, err error) int {
	code := exitCode(err)
	if !isAz(cmd) {
		return code
	}
	switch code {
	case exitNotFound:
		if name := cmd.Name(); name == "show" || name == "show-metadata" {
			return exitAbsent
		}
		return exitFailed
	case exitUnauthorized, exitDenied:
		return exitFailed
	}
	return code
}
