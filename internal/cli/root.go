package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
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
	env := OSEnv()
	env.garbage = newGarbage()
	return Run(ctx, env)
}

// Run runs one command line and returns its exit code. When ctx is cancelled
// the command ends early, and leaves nothing half-written behind.
func Run(ctx context.Context, env *Env) int {
	own := *env
	own.Stdin = &contextReader{ctx: ctx, r: env.Stdin}
	env = &own
	root := NewRoot(env)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if wantsJSON(cmd, args(env)) {
		reportJSON(env.Stderr, env.program(), err)
	} else {
		report(env.Stderr, env.program(), err)
	}
	return exitCodeOf(cmd, err)
}

// wantsJSON reports whether the command's output was to be JSON, so that its
// error is too. It looks at the arguments, for after a wrong flag the others
// have not been parsed.
func wantsJSON(cmd *cobra.Command, args []string) bool {
	f := cmd.Flags().Lookup("format")
	if f == nil {
		return false
	}
	i := slices.Index(args, "--format")
	return f.Value.String() == output.JSON || slices.Contains(args, "--format="+output.JSON) ||
		i >= 0 && i+1 < len(args) && args[i+1] == output.JSON
}

// NewRoot makes the tree of all commands. Each has a file of its own.
func NewRoot(env *Env) *cobra.Command {
	root := newGroup(&cobra.Command{
		Use:   env.program(),
		Short: "Push, pull and manage artifacts in OCI registries",
		Long: `Push, pull and manage artifacts and container images in OCI registries.

Exit codes: 0 done, 1 failed, 2 wrong use, 4 not signed in, 5 denied,
6 not found, 130 interrupted.`,
		Example: examples(env, `
Sign in, push a file and pull it back:
  orlop login localhost:5000
  orlop push localhost:5000/hello:v1 hi.txt
  orlop pull localhost:5000/hello:v1

Look at what is there:
  orlop repo ls localhost:5000
  orlop acr repository show --name localhost:5000 --image hello:v1`),
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), // a group has one usage line
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.SetArgs(joinSwitches(args(env)))
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newLoginCommand(env),
		newLogoutCommand(env),
		newPushCommand(env),
		newPullCommand(env),
		newLsCommand(env),
		newDiffCommand(env),
		newAttachCommand(env),
		newDiscoverCommand(env),
		newCopyCommand(env),
		newBackupCommand(env),
		newRestoreCommand(env),
		newTagCommand(env),
		newUntagCommand(env),
		newResolveCommand(env),
		newManifestCommand(env),
		newBlobCommand(env),
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
