// Command orlop pushes, pulls and manages artifacts in OCI registries.
package main

import (
	"os"

	"github.com/orlop/orlop/internal/cli"
)

func main() { os.Exit(cli.Main()) }
