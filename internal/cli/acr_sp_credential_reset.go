package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

type resetOptions struct {
	identified
	displayName, end string
	years            int
	keep             bool
}

func newServicePrincipalResetCommand(env *Env) *cobra.Command {
	var opts resetOptions
	cmd := &cobra.Command{
		Use:   "reset --id <application id> [flags]",
		Short: "Give a service principal a new secret, in place of those it has or beside them",
		Example: examples(env, `
Print the new secret alone:
  orlop acr sp credential reset --id 00000000-0000-0000-0000-000000000001 --query password -o tsv

Add one that ends, and keep the others:
  orlop acr sp credential reset --id 00000000-0000-0000-0000-000000000001 --append --display-name second --end-date 2027-06-30`),
		Args: exactArgs(0, "the application id by --id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServicePrincipalReset(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.identified)
	fs := cmd.Flags()
	fs.BoolVar(&opts.keep, "append", false, "keep the secrets that are there")
	fs.StringVar(&opts.displayName, "display-name", "", "name of the secret, for people")
	fs.StringVar(&opts.end, "end-date", "", "when it ends: 2026-12-31, or 2026-12-31T23:59:59Z (default never)")
	fs.IntVar(&opts.years, "years", 0, "in how many years it ends (default never)")
	return cmd
}

func runServicePrincipalReset(ctx context.Context, env *Env, opts *resetOptions) error {
	end, err := opts.endTime()
	if err != nil {
		return err
	}
	return opts.manage(env, func(c *admin.Client) (any, error) {
		return c.ResetCredential(ctx, opts.id, admin.NewSecret{DisplayName: opts.displayName, End: end, Append: opts.keep})
	})
}

// endTime is when the secret ends; nil for never.
func (o *resetOptions) endTime() (*time.Time, error) {
	switch {
	case o.end != "" && o.years != 0:
		return nil, usagef("--end-date and --years exclude each other")
	case o.years < 0:
		return nil, usagef("--years must be more than 0")
	case o.years > 0:
		return new(time.Now().UTC().AddDate(o.years, 0, 0).Truncate(time.Second)), nil
	case o.end == "":
		return nil, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, o.end); err == nil {
			return &t, nil
		}
	}
	return nil, withHint(usagef("--end-date %q is no time", o.end), "write it as 2026-12-31 or 2026-12-31T23:59:59Z")
}
