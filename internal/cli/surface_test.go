package cli

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var updateSurface = flag.Bool("update", false, "write docs/cli/surface.md anew")

// orasSurface is made by testdata/oras-surface.sh.
const orasSurface = "testdata/oras-1.3.6-surface.txt"

// differences are where orlop differs from ORAS 1.3.6 on purpose, and why.
var differences = map[string]string{
	"--concurrency":            "without it transfers adapt to the sizes of what is moved",
	"--distribution-spec":      `the default, which finds out, is "" and not "unknown"`,
	"--from-distribution-spec": `the default, which finds out, is "" and not "unknown"`,
	"--to-distribution-spec":   `the default, which finds out, is "" and not "unknown"`,
}

// names2020 are the flags of ORAS 0.8, the release of 2020, that 1.3.6 has
// under another name or not at all. Its clashes with 1.3.6 are decided in favour
// of that: --config of push and pull is the configuration of the artifact, not
// that of Docker, for which both have -c.
var names2020 = map[string][]string{
	"login":  {"--config", "-c", "-k"},
	"logout": {"--config", "-c"},
	"push":   {"--manifest-config", "--manifest-annotations", "-c", "-v", "--verbose"},
	"pull":   {"--media-type", "-t", "--allow-all", "-a", "-c", "-v", "--verbose"},
}

// surfaceFlag is a flag as help texts show it.
type surfaceFlag struct {
	name, short string
	value       bool
	def         string // "" for none
}

func (f surfaceFlag) String() string {
	s := f.name
	if f.short != "" {
		s = f.short + ", " + s
	}
	if f.value {
		s += " VALUE"
	}
	if f.def != "" {
		s += " = " + f.def
	}
	return s
}

// surfaceCommand is a command of the list.
type surfaceCommand struct {
	path    string
	aliases []string
	flags   []surfaceFlag
}

// readSurface reads the list of what ORAS has.
func readSurface(t *testing.T) []surfaceCommand {
	t.Helper()
	f, err := os.Open(orasSurface)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var commands []surfaceCommand
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch rest, isFlag := strings.CutPrefix(line, "  "); {
		case strings.HasPrefix(line, "#"):
		case isFlag:
			c := &commands[len(commands)-1]
			c.flags = append(c.flags, parseSurfaceFlag(rest))
		default:
			path, aliases, _ := strings.Cut(strings.TrimSuffix(line, ")"), " (")
			c := surfaceCommand{path: path}
			if aliases != "" {
				c.aliases = strings.Split(aliases, ", ")
			}
			commands = append(commands, c)
		}
	}
	return commands
}

func parseSurfaceFlag(s string) surfaceFlag {
	var f surfaceFlag
	s, f.def, _ = strings.Cut(s, " = ")
	s, f.value = strings.CutSuffix(s, " VALUE")
	if short, name, ok := strings.Cut(s, ", "); ok {
		f.short, s = short, name
	}
	f.name = s
	f.def = strings.Trim(f.def, `"`)
	return f
}

// ourFlag is a flag of orlop in the same form.
func ourFlag(f *pflag.Flag) surfaceFlag {
	s := surfaceFlag{name: "--" + f.Name, value: f.NoOptDefVal == "", def: f.DefValue}
	if f.Shorthand != "" {
		s.short = "-" + f.Shorthand
	}
	if s.def == "[]" || s.def == "false" || s.def == "0" {
		s.def = ""
	}
	return s
}

// like reports whether f does for what ORAS has. A short form where ORAS has
// none is an addition.
func (f surfaceFlag) like(theirs surfaceFlag) bool {
	if theirs.short == "" {
		f.short = ""
	}
	return f == theirs
}

// surfaceRoot is the tree of all commands, with those that cobra adds.
func surfaceRoot(t *testing.T) *cobra.Command {
	t.Helper()
	root := NewRoot(testEnv(t))
	root.InitDefaultCompletionCmd()
	eachCommand(root, func(c *cobra.Command) { c.InitDefaultHelpFlag() })
	return root
}

func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}

// find returns the command at a path, nil if there is none.
func find(root *cobra.Command, path string) *cobra.Command {
	c, rest, err := root.Find(strings.Fields(path))
	if err != nil || len(rest) > 0 || c == root {
		return nil
	}
	return c
}

// TestSurface: every command, alias and flag of ORAS 1.3.6 is there, with its
// short form and default.
func TestSurface(t *testing.T) {
	root := surfaceRoot(t)
	used := map[string]bool{}
	for _, want := range readSurface(t) {
		c := find(root, want.path)
		if c == nil {
			t.Errorf("there is no command %s", want.path)
			continue
		}
		for _, alias := range want.aliases {
			if !slices.Contains(c.Aliases, alias) {
				t.Errorf("%s has no alias %s", want.path, alias)
			}
		}
		for _, f := range want.flags {
			got := c.Flags().Lookup(strings.TrimPrefix(f.name, "--"))
			switch {
			case got == nil:
				t.Errorf("%s has no flag %s", want.path, f)
			case ourFlag(got).like(f):
			case differences[f.name] != "":
				used[f.name] = true
			default:
				t.Errorf("%s has %s, want %s", want.path, ourFlag(got), f)
			}
		}
	}
	for name := range differences {
		if !used[name] {
			t.Errorf("%s does not differ", name)
		}
	}
}

// TestSurface2020: the names of 2020 are accepted.
func TestSurface2020(t *testing.T) {
	root := surfaceRoot(t)
	for path, names := range names2020 {
		fs := find(root, path).Flags()
		for _, name := range names {
			long, isLong := strings.CutPrefix(name, "--")
			if isLong && fs.Lookup(long) == nil || !isLong && fs.ShorthandLookup(strings.TrimPrefix(name, "-")) == nil {
				t.Errorf("%s has no flag %s", path, name)
			}
		}
	}
}

const surfacePage = "../../docs/cli/surface.md"

// TestSurfacePage: docs/cli/surface.md is what the commands say. With -update it
// is written.
func TestSurfacePage(t *testing.T) {
	want := surfaceMarkdown(t)
	if *updateSurface {
		if err := os.WriteFile(surfacePage, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(surfacePage)
	if err != nil || string(got) != want {
		t.Errorf("docs/cli/surface.md is not what the commands say (%v): go test ./internal/cli -run TestSurfacePage -update", err)
	}
}

// surfaceMarkdown is the page that compares the commands with those of ORAS.
func surfaceMarkdown(t *testing.T) string {
	t.Helper()
	theirs := map[string]surfaceCommand{}
	for _, c := range readSurface(t) {
		theirs[c.path] = c
	}
	var b strings.Builder
	fmt.Fprintf(&b, strings.ReplaceAll(`# Commands and flags beside those of ORAS 1.3.6

Every command, alias and flag of ORAS 1.3.6 is there, with the same short form, meaning and default.
This page lists them, and what is there beyond them; the 'acr' commands, which ORAS does not have, are left out.
"Registry flags" are '%s'.
This page is made by a test: do not edit it.

| Command | As in ORAS 1.3.6 | Only here | Accepted, but not shown |
|---|---|---|---|
`, "'", "`"), strings.Join(registryFlags, "`, `"))
	eachCommand(surfaceRoot(t), func(c *cobra.Command) {
		path := commandPath(c)
		if c.HasParent() && !c.HasSubCommands() && !c.Hidden && path != "help" && !strings.HasPrefix(path, "acr ") {
			surfaceRow(&b, c, theirs[path])
		}
	})
	fmt.Fprint(&b, "\nDifferences:\n\n")
	for _, name := range slices.Sorted(maps.Keys(differences)) {
		fmt.Fprintf(&b, "- `%s`: %s\n", name, differences[name])
	}
	return b.String()
}

// registryFlags are those of every command that speaks to a registry.
var registryFlags = []string{
	"-u, --username", "-p, --password", "--password-stdin", "--identity-token", "--identity-token-stdin", "--insecure",
	"--plain-http", "--ca-file", "--cert-file", "--key-file", "--resolve", "-c, --registry-config", "-H, --header",
}

func commandPath(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

func surfaceRow(b *strings.Builder, c *cobra.Command, oras surfaceCommand) {
	var same, ours, hidden []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		text := ourFlag(f).names()
		switch {
		case f.Name == "help", f.Name == "verbose": // of all, and hidden in both
		case slices.ContainsFunc(oras.flags, func(o surfaceFlag) bool { return o.name == "--"+f.Name }):
			same = append(same, text)
		case f.Hidden:
			hidden = append(hidden, text)
		default:
			ours = append(ours, text)
		}
	})
	name := "`" + strings.Join(append([]string{commandPath(c)}, c.Aliases...), "`, `") + "`"
	if oras.path == "" {
		name += " (new)"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, flagCell(same), flagCell(ours), flagCell(hidden))
}

// flagCell lists flags, with one name for those of registries.
func flagCell(flags []string) string {
	var parts []string
	if !slices.ContainsFunc(registryFlags, func(f string) bool { return !slices.Contains(flags, f) }) {
		parts = append(parts, "registry flags")
		flags = slices.DeleteFunc(flags, func(f string) bool { return slices.Contains(registryFlags, f) })
	}
	for _, f := range flags {
		parts = append(parts, "`"+f+"`")
	}
	return strings.Join(parts, ", ")
}

// names are the names of a flag.
func (f surfaceFlag) names() string {
	if f.short == "" {
		return f.name
	}
	return f.short + ", " + f.name
}
