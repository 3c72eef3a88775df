package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/term"
)

// Env is everything that commands know of the world outside the network: what
// a test replaces.
type Env struct {
	Args    []string // Args[0] is the program's name, as in os.Args
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Version string // of orlop

	StdinTTY   bool                                  // Stdin is a terminal: prompts make sense
	StdoutTTY  bool                                  // Stdout is a terminal: colours make sense
	StderrTTY  bool                                  // Stderr is a terminal: bars make sense
	TermSize   func() (w, h int)                     // size of the terminal at Stderr
	ReadSecret func(context.Context) ([]byte, error) // reads a line from Stdin without echo
	ConfigDir  func() (string, error)                // the user's configuration directory
	CacheDir   func() (string, error)                // the user's directory for caches; nil: there is none

	garbage *garbage // of this process; nil: it is not for commands to decide
}

// OSEnv returns the environment of this process.
func OSEnv() *Env {
	return &Env{
		Args:       os.Args,
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		Getenv:     os.Getenv,
		Version:    buildVersion(),
		StdinTTY:   term.IsTerminal(int(os.Stdin.Fd())),
		StdoutTTY:  term.IsTerminal(int(os.Stdout.Fd())),
		StderrTTY:  term.IsTerminal(int(os.Stderr.Fd())),
		TermSize:   func() (int, int) { return termSize(os.Stderr) },
		ReadSecret: func(ctx context.Context) ([]byte, error) { return readPassword(ctx, os.Stdin) },
		ConfigDir:  os.UserConfigDir,
		CacheDir:   os.UserCacheDir,
	}
}

func termSize(f *os.File) (w, h int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return w, h
}

// program is the name under which the client was called: orlop, or the name of
// a link to it, such as oras.
func (e *Env) program() string {
	if len(e.Args) == 0 || e.Args[0] == "" {
		return "orlop"
	}
	name := filepath.Base(e.Args[0])
	if ext := filepath.Ext(name); ext == ".exe" {
		name = name[:len(name)-len(ext)]
	}
	return name
}

// version is set by the release build: -ldflags "-X …/internal/cli.version=v1.2.3".
var version string

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
