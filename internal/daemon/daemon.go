// Package daemon is the command line of orlopd: serve, and look at the
// configuration. It turns arguments, environment and file into a
// config.Config; everything else is package server's.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/server"
)

// Exit codes of orlopd.
const (
	exitOK       = 0
	exitFailed   = 1
	exitWrongUse = 2 // arguments or configuration

	exitInterrupted = 130 // by a second signal
)

// version is set by the linker for a release.
var version = ""

// Env is what the command line runs in.
type Env struct {
	Args           []string // without the program's name
	Environ        []string // as os.Environ gives it
	Stdout, Stderr io.Writer
}

// Main runs the command line of this process until it is done, or until a
// signal asks it to end; a second signal ends the process at once. It returns
// the exit code.
func Main() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2) // none of the two is lost
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return Run(ctx, Env{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr})
}

// Run runs one command line and returns the exit code.
func Run(ctx context.Context, env Env) int {
	root := newRoot(&env)
	root.SetArgs(env.Args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(env.Stderr, "orlopd: error: %v\n", err)
	if wrong, ok := errors.AsType[*useError](err); ok {
		fmt.Fprintf(env.Stderr, "orlopd: hint: %s\n", wrong.hint)
		return exitWrongUse
	}
	return exitFailed
}

// useError is a mistake in the arguments or the configuration.
type useError struct {
	err  error
	hint string
}

func (e *useError) Error() string { return e.err.Error() }
func (e *useError) Unwrap() error { return e.err }

func newRoot(env *Env) *cobra.Command {
	serve := func(cmd *cobra.Command, _ []string) error { return runServe(cmd, env) }
	root := &cobra.Command{
		Use:   "orlopd",
		Short: "A private registry for OCI artifacts and container images",
		Long: `A private registry for OCI artifacts and container images.

Without a command it serves, as "orlopd serve" does. Every flag is also a
variable in the environment (--data: ORLOPD_DATA) and a key in the YAML file
that --config names (data).`,
		Example: `  orlopd
  orlopd --listen 0.0.0.0:5000 --tls auto --data /var/lib/orlop
  orlopd config print`,
		Args: noArgs, RunE: serve,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &useError{err, helpHint(cmd)}
	})
	addFlags(root.PersistentFlags())
	root.AddCommand(
		&cobra.Command{Use: "serve", Short: "Serve the registry", Args: noArgs, RunE: serve},
		newConfig(env),
		newAzureSetup(env),
		newGC(env),
		newMigrate(env),
		&cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(env.Stdout, "orlopd", buildVersion())
			return err
		}},
	)
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &useError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()), helpHint(cmd)}
}

func helpHint(cmd *cobra.Command) string { return fmt.Sprintf("run %q", cmd.CommandPath()+" --help") }

func runServe(cmd *cobra.Command, env *Env) error {
	effective, err := load(cmd, env)
	if err != nil {
		return err
	}
	tuneMemory()
	log := newLogger(&effective.Config, env.Stderr)
	log.Info("starting", "version", buildVersion(), "config", effective)
	return server.Run(cmd.Context(), effective.Config, log, env.Stdout)
}

// addFlags makes a flag of every setting that may be one.
func addFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "configuration `FILE`, YAML")
	for _, s := range config.Settings() {
		switch {
		case s.EnvOnly:
		case s.IsSwitch():
			flags.Bool(s.Name, s.Default() == "true", s.Usage)
		case s.List:
			flags.StringArray(s.Name, defaults(&s), s.Usage)
			f := flags.Lookup(s.Name)
			f.Value, f.DefValue = listValue{f.Value.(sliceValue), s.Value}, s.Default()
		default:
			flags.String(s.Name, s.Default(), s.Usage)
			f := flags.Lookup(s.Name)
			f.Value = value{f.Value, s.Value}
		}
	}
}

// value is the value of a flag under the name that the help gives it.
type value struct {
	pflag.Value
	name string
}

// Type is the name.
func (v value) Type() string { return v.name }

type sliceValue interface {
	pflag.Value
	pflag.SliceValue
}

// listValue is value for a flag that may be repeated.
type listValue struct {
	sliceValue
	name string
}

// Type is the name.
func (v listValue) Type() string { return v.name }

func defaults(s *config.Setting) []string {
	if s.Default() == "" {
		return nil
	}
	return []string{s.Default()}
}

// load reads the configuration that the command was given.
func load(cmd *cobra.Command, env *Env) (*config.Effective, error) {
	src := config.Sources{Env: env.Environ, Flags: map[string][]string{}}
	own := cmd.LocalNonPersistentFlags()
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) != nil {
			return // of the command, and no setting
		}
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			src.Flags[f.Name] = v.GetSlice()
		default:
			src.Flags[f.Name] = []string{f.Value.String()}
		}
	})
	if file, ok := src.Flags["config"]; ok {
		src.File = file[0]
		delete(src.Flags, "config")
	}
	effective, err := config.Load(src)
	if err != nil {
		return effective, &useError{err, `docs/configuration.md explains every setting; "orlopd config print" shows where each value comes from`}
	}
	return effective, nil
}

func newLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// gcPercent lets the heap grow to three times what is in use: measured on small
// requests, that takes a tenth off their CPU time for some MiB of memory.
const gcPercent = 200

// tuneMemory sets how often garbage is collected, unless GOGC in the
// environment says so.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
