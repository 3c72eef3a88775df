package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
)

// stdinName is the file argument that stands for standard input.
const stdinName = "-"

// layerOptions say how files become layers.
type layerOptions struct {
	compression  string
	reproducible bool
	stdinTitle   string
	stdinType    string
}

func (o *layerOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.compression, "compression", files.Gzip, "compression of directories: gzip, zstd or none")
	fs.BoolVar(&o.reproducible, "reproducible", false,
		"make the same files give the same digest everywhere: no creation time, and no times, owners and odd permissions in directories")
	fs.StringVar(&o.stdinTitle, "title", "", "`NAME` of the file that is read from standard input, -")
	fs.StringVar(&o.stdinType, "media-type", "", "media `TYPE` of the file that is read from standard input, -")
}

func (o *layerOptions) values() (flag string, values []string) {
	return "compression", []string{files.Gzip, files.Zstd, files.None}
}

func (o *layerOptions) validate() error {
	if _, values := o.values(); !slices.Contains(values, o.compression) {
		return fmt.Errorf("invalid --compression %q: supported are %s", o.compression, strings.Join(values, ", "))
	}
	return nil
}

// load reads the files args for t.
func (o *layerOptions) load(ctx context.Context, env *Env, t *target, args []files.Arg, load files.LoadOptions) (*files.Source, error) {
	if err := o.describeStdin(args); err != nil {
		return nil, err
	}
	epoch, err := epoch(env)
	if err != nil {
		return nil, err
	}
	load.Compression, load.Reproducible, load.Epoch = o.compression, o.reproducible, epoch
	load.Stdin, load.StdinTitle = env.Stdin, o.stdinTitle
	upload := func(ctx context.Context) (orlop.BlobWriter, error) { return t.Upload(ctx, t.repo, "") }
	if slices.ContainsFunc(args, func(a files.Arg) bool { return a.Path == stdinName }) {
		upload = t.openStream // what is not a directory cannot be read again
	}
	load.Upload = func(ctx context.Context) (orlop.BlobWriter, error) {
		env.garbage.beLean()
		return upload(ctx)
	}
	return files.Load(ctx, args, load)
}

// describeStdin gives standard input, if it is one of args, its media type.
func (o *layerOptions) describeStdin(args []files.Arg) error {
	n := 0
	for i := range args {
		if args[i].Path == stdinName {
			n++
			args[i].MediaType = cmp.Or(o.stdinType, args[i].MediaType)
		}
	}
	switch {
	case n > 1:
		return usagef("standard input, -, can be one file only")
	case n == 0 && (o.stdinTitle != "" || o.stdinType != ""):
		return usagef("--title and --media-type are about standard input, and no file is -")
	}
	return nil
}

// created is the time that a manifest says it was made: now, or that of
// SOURCE_DATE_EPOCH. Zero is none.
func (o *layerOptions) created(env *Env) (time.Time, error) {
	if o.reproducible {
		return time.Time{}, nil
	}
	t, err := epoch(env)
	if t.IsZero() {
		t = time.Now()
	}
	return t, err
}

// epoch is the time of SOURCE_DATE_EPOCH (reproducible-builds.org), zero if it
// is not set: what was made of the same files before it is the same.
func epoch(env *Env) (time.Time, error) {
	text := env.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH is no number of seconds: %q", text)
	}
	return time.Unix(seconds, 0), nil
}

var errStdinTwice = errors.New("standard input cannot be a file and a password")

// checkStdin fails if standard input is to be both a file and a secret.
func checkStdin(args []string, r *remoteOptions) error {
	if !r.passwordStdin && !r.identityTokenStdin {
		return nil
	}
	isStdin := func(arg string) bool { return arg == stdinName || strings.HasPrefix(arg, stdinName+":") }
	if slices.ContainsFunc(args, isStdin) {
		return withHint(&usageError{err: errStdinTwice}, "sign in before, by the command login")
	}
	return nil
}

// reading shows how far the reading of files is.
func reading(p *output.Progress) func(title string, size int64) (func(int64), func()) {
	return func(title string, size int64) (func(int64), func()) {
		verb := "Hashing"
		if size < 0 {
			verb = "Packing"
		}
		t := p.Transient(verb, orlop.Descriptor{Size: size, Annotations: map[string]string{ocispec.AnnotationTitle: cmp.Or(title, stdinName)}})
		return t.Set, t.Drop
	}
}
