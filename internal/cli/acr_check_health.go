package cli

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

type acrHealthOptions struct {
	namedOptions
	ignoreErrors, yes bool
	vnet              string
}

func newACRCheckHealthCommand(env *Env) *cobra.Command {
	var opts acrHealthOptions
	cmd := &cobra.Command{
		Use:   "check-health --name <registry> [flags]",
		Short: "Check that a registry can be reached and signed in to",
		Long: `Check that a registry can be reached and signed in to: its name, its challenge,
and a token for the account. What az checks of Docker, Helm and Notary is not
needed here. The results go to standard error, as those of az.`,
		Example: examples(env, `
Check the registry myregistry:
  orlop acr check-health --name myregistry

Go on after the first error:
  orlop acr check-health --name myregistry --ignore-errors`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRCheckHealth(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions)
	fs := cmd.Flags()
	fs.BoolVar(&opts.ignoreErrors, "ignore-errors", false, "go on after an error, and end with 0")
	fs.BoolVarP(&opts.yes, "yes", "y", false, "not needed: nothing is asked")
	fs.StringVar(&opts.vnet, "vnet", "", "not supported: it needs Azure Resource Manager")
	fs.MarkHidden("yes")
	fs.MarkHidden("vnet")
	return cmd
}

func runACRCheckHealth(ctx context.Context, env *Env, opts *acrHealthOptions) error {
	if opts.vnet != "" {
		return usagef("--vnet is not supported: it needs Azure Resource Manager")
	}
	host, err := loginServer(env, opts.registryName, opts.suffix)
	if err != nil {
		return err
	}
	out := output.NewPrinter(env.Stderr)
	out.Line("%s version: %s", env.program(), env.Version)
	h := healthCheck{env: env, opts: opts, host: host}
	for _, check := range []func(context.Context) (string, error){h.name, h.challenge, h.token} {
		passed, err := check(ctx)
		switch {
		case err == nil:
			out.Line("%s : OK", passed)
		case ctx.Err() != nil || !opts.ignoreErrors:
			return about(host, err)
		default:
			report(env.Stderr, env.program(), about(host, err))
		}
	}
	return out.Err()
}

// healthCheck checks one registry. Each check returns what it has found to be
// in order.
type healthCheck struct {
	env  *Env
	opts *acrHealthOptions
	host string
}

func (h *healthCheck) name(ctx context.Context) (string, error) {
	name := hostname(h.host)
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return "", withHint(fmt.Errorf("look up %s: %w", name, err), "is the name right, and the network there?")
	}
	return fmt.Sprintf("DNS lookup to %s at IP %s", name, addresses[0]), nil
}

// challenge asks as nobody: a registry refuses and says where tokens are to be
// had, or says yes if anyone may come in.
func (h *healthCheck) challenge(ctx context.Context) (string, error) {
	reg, err := h.opts.remoteOptions.open(h.env, &h.opts.commonOptions, h.host, auth.Static(auth.Credential{}))
	if err != nil {
		return "", err
	}
	if err := reg.Ping(ctx); err != nil && !errors.Is(err, orlop.ErrUnauthorized) {
		return "", err
	}
	return fmt.Sprintf("Challenge endpoint %s/v2/", h.host), nil
}

func (h *healthCheck) token(ctx context.Context) (string, error) {
	reg, err := h.opts.open(h.env)
	if err != nil {
		return "", err
	}
	if err := reg.Ping(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("Fetch access token for registry '%s'", h.host), nil
}
