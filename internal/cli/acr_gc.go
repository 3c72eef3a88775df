package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

func newACRGCCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "gc [command]",
		Short: "Look at the garbage collector of an Orlop server, and run it",
		Long: `Look at the garbage collector of an Orlop server, and run it.

It works all the time, beside pushes and pulls, and removes what nobody has needed
for a day. It is that of the server, for all of its registries: only an account
with the role Owner at the default registry, such as admin, may ask.`,
	},
		newGCShowCommand(env),
		newGCRunCommand(env),
	)
}

func newGCShowCommand(env *Env) *cobra.Command {
	var opts managementOptions
	cmd := &cobra.Command{
		Use:   "show --registry <registry> [flags]",
		Short: "Show what the garbage collector has done and what waits for it",
		Example: examples(env, `
Show how much it has freed since the server began:
  orlop acr gc show -r myregistry --query total.freed`),
		Args: exactArgs(0, "the registry by --registry"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.GC(cmd.Context()) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newGCRunCommand(env *Env) *cobra.Command {
	var opts managementOptions
	var noWait bool
	cmd := &cobra.Command{
		Use:   "run --registry <registry> [flags]",
		Short: "Run a full cycle of the garbage collector now",
		Example: examples(env, `
Run it and show what it did:
  orlop acr gc run -r myregistry --query last`),
		Args: exactArgs(0, "the registry by --registry"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) {
				if noWait {
					return c.RunGC(cmd.Context())
				}
				return runGC(cmd.Context(), c)
			})
		},
	}
	useGroups(cmd, &opts)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait until it has ended")
	return cmd
}

// gcPoll is how often it is asked whether a cycle has ended.
const gcPoll = 200 * time.Millisecond

// runGC asks for a cycle and waits until it has ended.
func runGC(ctx context.Context, c *admin.Client) (admin.GC, error) {
	state, err := c.RunGC(ctx)
	tick := time.NewTicker(gcPoll)
	defer tick.Stop()
	for err == nil && state.Asked {
		select {
		case <-tick.C:
			state, err = c.GC(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return state, err
}
