package cli

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/cli/output"
)

// commonOptions are the flags of every command.
type commonOptions struct {
	debug   bool
	verbose bool
}

func (o *commonOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.debug, "debug", "d", false, "log requests to standard error (no progress bars)")
	// Flags of former releases: they still work, and are not shown.
	fs.BoolVarP(&o.verbose, "verbose", "v", true, "also show content without a file name")
	fs.MarkHidden("verbose")
}

func (o *commonOptions) validate() error { return nil }

// warnDeprecated tells of flags that will go, in the words of ORAS.
func warnDeprecated(cmd *cobra.Command) {
	if cmd.Flags().Changed("verbose") {
		cmd.PrintErrln("Flag --verbose has been deprecated, and will be removed in a future release.")
	}
}

// logger returns the logger of requests, which drops all without --debug.
func (o *commonOptions) logger(env *Env) *slog.Logger {
	if !o.debug {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// formatOptions choose the format of results.
type formatOptions struct {
	forPeople        []string // the formats that are no data, the default first; none: text. Set before addFlags
	format, template string
	parsed           output.Format
}

func (o *formatOptions) addFlags(fs *pflag.FlagSet) {
	if len(o.forPeople) == 0 {
		o.forPeople = []string{output.Text}
	}
	fs.StringVar(&o.format, "format", o.forPeople[0],
		"format of the output: "+strings.Join(o.forPeople, ", ")+", json, or go-template[=TEMPLATE]; errors follow json too")
	fs.StringVar(&o.template, "template", "", "template of --format go-template, on the fields that json shows")
}

func (o *formatOptions) values() (flag string, values []string) {
	return "format", append(slices.Clone(o.forPeople), output.JSON, output.GoTemplate+"=")
}

func (o *formatOptions) validate() (err error) {
	o.parsed, err = output.ParseFormat(o.format, o.template, o.forPeople...)
	return err
}

// text returns the printer of lines on standard output. They go nowhere if the
// result is not text.
func (o *formatOptions) text(env *Env) *output.Printer {
	if !o.parsed.IsText() {
		return output.NewPrinter(io.Discard)
	}
	return output.NewPrinter(env.Stdout)
}

// ttyOptions choose whether progress bars are drawn.
type ttyOptions struct {
	noTTY bool
}

func (o *ttyOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.noTTY, "no-tty", false, "draw no progress bars")
}

func (o *ttyOptions) validate() error { return nil }

// progress starts showing the progress of a command that uses these verbs:
// bars on a terminal, else status lines on out if results are text.
func progress(env *Env, c *commonOptions, t *ttyOptions, f output.Format, out *output.Printer, verbs ...string) *output.Progress {
	o := output.ProgressOptions{Verbs: verbs, NamedOnly: !c.verbose, Size: env.TermSize}
	if f.IsText() {
		o.Lines = out
	}
	if env.StderrTTY && !t.noTTY && !c.debug {
		o.Terminal = env.Stderr
	}
	return output.NewProgress(o)
}

// platformOptions choose a platform of an index.
type platformOptions struct {
	platform string
	parsed   *ocispec.Platform // nil if none was given
}

func (o *platformOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.platform, "platform", "", "platform to choose from an index: `os[/arch][/variant][:os_version]`")
}

func (o *platformOptions) validate() error {
	if o.platform == "" {
		return nil
	}
	p, err := parsePlatform(o.platform)
	o.parsed = p
	return err
}

// parsePlatform parses os[/arch][/variant][:os_version]. Without arch it is
// that of this machine.
func parsePlatform(s string) (*ocispec.Platform, error) {
	rest, version, _ := strings.Cut(s, ":")
	parts := strings.Split(rest, "/")
	if len(parts) > 3 || parts[0] == "" {
		return nil, fmt.Errorf("invalid platform %q: want os[/arch][/variant][:os_version]", s)
	}
	p := &ocispec.Platform{OS: parts[0], Architecture: runtime.GOARCH, OSVersion: version}
	if len(parts) > 1 {
		p.Architecture = parts[1]
	}
	if len(parts) > 2 {
		p.Variant = parts[2]
	}
	if p.Architecture == "" {
		return nil, fmt.Errorf("invalid platform %q: the architecture is empty", s)
	}
	return p, nil
}

// matchPlatform reports whether got is what want asks for: os and architecture
// equal, variant and version only if they were given.
func matchPlatform(want, got *ocispec.Platform) bool {
	return got != nil && want.OS == got.OS && want.Architecture == got.Architecture &&
		(want.Variant == "" || want.Variant == got.Variant) &&
		(want.OSVersion == "" || want.OSVersion == got.OSVersion)
}
