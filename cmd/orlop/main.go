// Command orlop pushes, pulls and manages artifacts in OCI registries.
package main

import (
	"os"
	"runtime/debug"

	"github.com/orlop/orlop/internal/cli"
)

// gcPercent is how much garbage there may be, in percent of what is in use. A
// client has little of either: less than usual costs no time that can be
// measured, and saves memory where buffers are large. Still less would have
// garbage collected before the command begins.
const gcPercent = 75

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(cli.Main())
}
