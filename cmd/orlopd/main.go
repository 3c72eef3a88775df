// Orlopd is a private registry for OCI artifacts and container images. See
// docs/operations.md, or run orlopd --help.
package main

import (
	"os"

	"github.com/orlop/orlop/internal/daemon"
)

func main() { os.Exit(daemon.Main()) }
