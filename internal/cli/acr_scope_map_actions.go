package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// repositoryActions are flags that take a repository and, as with az, the
// actions that stand behind it: --repository samples/app content/read
// content/write. The actions are arguments; which belong to which flag is known
// by how many there were before each.
type repositoryActions struct {
	fs    *pflag.FlagSet
	given []repositoryFlag
	args  []string
}

type repositoryFlag struct {
	flag, repo string
	before     int // arguments before it
}

// flag adds a flag to fs.
func (o *repositoryActions) flag(fs *pflag.FlagSet, name, usage string) {
	o.fs = fs
	fs.Var(&repositoryValue{o, name}, name, usage)
}

// repositoryValue is one of the flags.
type repositoryValue struct {
	all  *repositoryActions
	name string
}

// String implements pflag.Value.
func (v *repositoryValue) String() string { return "" }

// Type implements pflag.Value.
func (v *repositoryValue) Type() string { return "repository" }

// Set implements pflag.Value.
func (v *repositoryValue) Set(repo string) error {
	v.all.given = append(v.all.given, repositoryFlag{v.name, repo, v.all.fs.NArg()})
	return nil
}

// take is the cobra.PositionalArgs of a command with such flags.
func (o *repositoryActions) take(cmd *cobra.Command, args []string) error {
	o.args = args
	if len(args) > 0 && (len(o.given) == 0 || o.given[0].before > 0) {
		return wrongArgs(cmd, "exactly 0", 0, "actions behind a repository", len(args))
	}
	for i, g := range o.given {
		if len(o.actionsOf(i)) == 0 {
			return wrongUse(cmd, withHint(usagef("--%s %s has no action", g.flag, g.repo),
				"name some behind it: --%s %s content/read metadata/read", g.flag, g.repo))
		}
	}
	return nil
}

func (o *repositoryActions) actionsOf(i int) []string {
	end := len(o.args)
	if i+1 < len(o.given) {
		end = o.given[i+1].before
	}
	return o.args[o.given[i].before:end]
}

// actions are those of one flag, as a scope map has them.
func (o *repositoryActions) actions(flag string) []string {
	var out []string
	for i, g := range o.given {
		if g.flag != flag {
			continue
		}
		for _, a := range o.actionsOf(i) {
			if action := "repositories/" + g.repo + "/" + a; !slices.Contains(out, action) {
				out = append(out, action)
			}
		}
	}
	return out
}
