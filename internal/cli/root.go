package cli

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
)

// Main runs the command line of this process and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return Run(ctx, OSEnv())
}

// Run runs one command line and returns its exit code. When ctx is cancelled
// the command ends early, and leaves nothing half-written behind.
func Run(ctx context.Context, env *Env) int {
	own := *env
	own.Stdin = contextReader{ctx, env.Stdin}
	env = &own
	root := newRoot(env)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if wantsJSON(cmd) {
		reportJSON(env.Stderr, env.program(), err)
	} else {
		report(env.Stderr, env.program(), err)
	}
	return exitCode(err)
}

// wantsJSON reports whether the command's output was to be JSON, so that its
// error is too.
func wantsJSON(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("format")
	return f != nil && f.Value.String() == output.JSON
}

// newRoot makes the tree of all commands. Each has a file of its own.
func newRoot(env *Env) *cobra.Command {
	root := newGroup(&cobra.Command{
		Use:   env.program() + " [command]",
		Short: "Push, pull and manage artifacts in OCI registries",
		Long: `Push, pull and manage artifacts and container images in OCI registries.

Exit codes: 0 done, 1 failed, 2 wrong use, 4 not signed in, 5 denied,
6 not found, 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetArgs(args(env))
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return wrongUse(cmd, err)
	})
	root.AddCommand(
		newLoginCommand(env),
		newLogoutCommand(env),
		newPushCommand(env),
		newPullCommand(env),
		newTagCommand(env),
		newResolveCommand(env),
		newRepoCommand(env),
		newACRCommand(env),
		newVersionCommand(env),
	)
	return root
}

func args(env *Env) []string {
	if len(env.Args) < 2 {
		return []string{} // nil would make cobra read os.Args
	}
	return env.Args[1:]
}

// newGroup makes a command that only holds others: called without one of them
// it shows its help, and a name that it does not know is wrong use.
func newGroup(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		err := usagef("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return withHint(err, "did you mean %s?", strings.Join(near, " or "))
		}
		return withHint(err, "run %s --help for the list of commands", cmd.CommandPath())
	}
	cmd.SuggestionsMinimumDistance = 2 // of letters; without it only prefixes are suggested
	cmd.AddCommand(commands...)
	return cmd
}
