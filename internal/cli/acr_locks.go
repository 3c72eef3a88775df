package cli

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// lockNames are the attributes that lock a repository, a tag or a manifest: the
// flag and the name in JSON.
var lockNames = [...]struct{ flag, key, usage string }{
	{"delete-enabled", "deleteEnabled", "allow to delete it"},
	{"list-enabled", "listEnabled", "show it in lists"},
	{"read-enabled", "readEnabled", "allow to pull it"},
	{"write-enabled", "writeEnabled", "allow to overwrite or delete it"},
}

// lockOptions set attributes. What is not given stays as it is.
type lockOptions struct {
	flags *pflag.FlagSet
}

func (o *lockOptions) addFlags(fs *pflag.FlagSet) {
	o.flags = fs
	for _, l := range lockNames {
		fs.Bool(l.flag, false, l.usage+": true or false")
	}
}

func (o *lockOptions) validate() error { return nil }

// changes are the attributes that were given.
func (o *lockOptions) changes() map[string]bool {
	m := map[string]bool{}
	for _, l := range lockNames {
		if o.flags.Changed(l.flag) {
			m[l.key], _ = o.flags.GetBool(l.flag) // the flag is there
		}
	}
	return m
}

// joinSwitches joins the flags of lockOptions with a value that stands apart,
// as az takes it: --write-enabled false. The flags of other commands take none
// that way.
func joinSwitches(args []string) []string {
	if len(args) == 0 || args[0] != "acr" {
		return args
	}
	var joined []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if i+1 < len(args) && isSwitch(arg) && isTruth(args[i+1]) {
			i++
			arg += "=" + strings.ToLower(args[i])
		}
		joined = append(joined, arg)
	}
	return joined
}

func isSwitch(arg string) bool {
	return slices.ContainsFunc(lockNames[:], func(l struct{ flag, key, usage string }) bool { return arg == "--"+l.flag })
}

func isTruth(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }
