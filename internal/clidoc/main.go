// Command clidoc writes what is made of the command line itself: the pages of
// docs/cli, manual pages, and completion scripts of shells. It is a program of
// its own so that the client does not carry what writes them.
//
//	go run ./internal/clidoc markdown docs/cli
//	go run ./internal/clidoc man DIR
//	go run ./internal/clidoc completion DIR
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 || writers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: clidoc markdown|man|completion DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "clidoc:", err)
		os.Exit(1)
	}
}

func write(kind, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return writers[kind](newRoot(), dir)
}
