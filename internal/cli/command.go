package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroup is a set of flags that several commands have in common. Commands
// embed groups in their options.
type flagGroup interface {
	addFlags(fs *pflag.FlagSet)
	// validate checks combinations, before anything is done.
	validate() error
}

// completer is a flagGroup with a flag that takes certain values, for the
// completion of the shell.
type completer interface {
	values() (flag string, values []string)
}

// useGroups gives a command the flags of groups, and checks them before it
// runs.
func useGroups(cmd *cobra.Command, groups ...flagGroup) {
	for _, g := range groups {
		g.addFlags(cmd.Flags())
		if c, ok := g.(completer); ok {
			flag, values := c.values()
			_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
		}
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		warnDeprecated(cmd)
		for _, g := range groups {
			if err := g.validate(); err != nil {
				return wrongUse(cmd, err)
			}
		}
		return nil
	}
}

// labelEnds says in the help of the flags of two ends which of them each is
// about; it is called after useGroups.
func labelEnds(cmd *cobra.Command, from, to string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case strings.HasPrefix(f.Name, "from-"):
			f.Usage = from + ": " + f.Usage
		case strings.HasPrefix(f.Name, "to-"):
			f.Usage = to + ": " + f.Usage
		}
	})
}

// requireFlag demands a flag; it is called after useGroups.
func requireFlag(cmd *cobra.Command, name string) {
	next := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(name) {
			return wrongUse(cmd, fmt.Errorf("required flag %q is not set", "--"+name))
		}
		return next(cmd, args)
	}
}

// exactArgs demands n arguments; what says which.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return wrongArgs(cmd, fmt.Sprintf("exactly %d", n), n, what, len(args))
	}
}

// minArgs demands at least n arguments; what says which.
func minArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return wrongArgs(cmd, fmt.Sprintf("at least %d", n), n, what, len(args))
	}
}

func wrongArgs(cmd *cobra.Command, count string, n int, what string, got int) error {
	noun := "arguments"
	if n == 1 {
		noun = "argument"
	}
	err := fmt.Errorf("%q requires %s %s but got %d", cmd.CommandPath(), count, noun, got)
	return withHint(wrongUse(cmd, err), "give %s; run %s --help for examples", what, cmd.CommandPath())
}

// wrongUse makes err an error of usage, with the usage line of cmd.
func wrongUse(cmd *cobra.Command, err error) error {
	return &usageError{err: err, usage: cmd.UseLine()}
}

// flagError makes an error of usage of what is wrong with the flags.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return wrongUse(cmd, err)
	}
	near := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && oneTypo(f.Name, unknown.GetSpecifiedName()) {
			near = f.Name
		}
	})
	if near != "" {
		return withHint(wrongUse(cmd, err), "did you mean --%s?", near)
	}
	return withHint(wrongUse(cmd, err), "run %s --help for its flags", cmd.CommandPath())
}

// oneTypo tells whether two words differ by one letter that is missing, wrong
// or in its neighbour's place.
func oneTypo(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	switch {
	case len(a) == len(b)+1:
		return a[1:] == b
	case len(a) != len(b) || a == "":
		return false
	}
	swapped := len(a) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
	return a[1:] == b[1:] || swapped
}

// examples writes the examples of a command with the name under which the
// program was called.
func examples(env *Env, text string) string {
	text = strings.Trim(text, "\n")
	return strings.ReplaceAll(text, "  orlop ", "  "+env.program()+" ")
}
