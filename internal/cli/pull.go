package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
)

type pullOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	targetOptions
	platformOptions
	concurrencyOptions
	output             string
	keepOldFiles       bool
	allowPathTraversal bool
	includeSubject     bool
	config             string
	mediaTypes         []string // of layers; all if empty
	allowAll           bool

	source string
}

func newPullCommand(env *Env) *cobra.Command {
	opts := pullOptions{concurrencyOptions: concurrencyOptions{usual: 3}}
	cmd := &cobra.Command{
		Use:   "pull [flags] <name>{:<tag>|@<digest>}",
		Short: "Pull files from a registry or an OCI image layout",
		Long: `Pull the files of an artifact.

Each file is verified before it gets its name: a file that was there before is
replaced by the complete new one, or stays. A file that is already right is not
fetched again.`,
		Example: examples(env, `
Pull the files of the artifact v1:
  orlop pull localhost:5000/hello:v1

Pull them into another directory:
  orlop pull -o ./downloads localhost:5000/hello:v1

Pull the configuration too, as config.json:
  orlop pull --config config.json localhost:5000/hello:v1

Pull the files of one platform:
  orlop pull --platform linux/arm64 localhost:5000/hello:v1

Print the paths of the files:
  orlop pull localhost:5000/hello:v1 --format go-template='{{range .files}}{{println .path}}{{end}}'

Pull from the OCI image layout directory layout-dir:
  orlop pull --oci-layout layout-dir:v1`),
		Args: exactArgs(1, "the artifact reference to pull"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.source = args[0]
			return runPull(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.targetOptions,
		&opts.platformOptions, &opts.concurrencyOptions)
	opts.addOwnFlags(cmd)
	return cmd
}

func (o *pullOptions) addOwnFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "output", "o", ".", "directory to write to")
	fs.BoolVarP(&o.keepOldFiles, "keep-old-files", "k", false, "fail rather than replace a file")
	fs.BoolVarP(&o.allowPathTraversal, "allow-path-traversal", "T", false, "allow files outside of the output directory")
	fs.BoolVar(&o.includeSubject, "include-subject", false, "also pull the files of the subject of the artifact")
	fs.StringVar(&o.config, "config", "", "also write the configuration: `path[:type]`")
	// The flags of 2020.
	fs.StringArrayVarP(&o.mediaTypes, "media-type", "t", nil, "pull only layers of this type")
	fs.BoolVarP(&o.allowAll, "allow-all", "a", false, "pull layers of every type")
	fs.StringVar(&o.config, "manifest-config", "", "as --config")
	for _, name := range []string{"media-type", "allow-all", "manifest-config"} {
		fs.MarkHidden(name)
	}
}

// pulledFiles is the result of pull as JSON.
type pulledFiles struct {
	Reference string       `json:"reference"`
	Files     []pulledFile `json:"files"`
}

type pulledFile struct {
	Path      string `json:"path"` // absolute; a separator at the end marks a directory
	Reference string `json:"reference"`
	descriptor
}

func runPull(ctx context.Context, env *Env, opts *pullOptions) error {
	config, err := opts.configArg()
	if err != nil {
		return err
	}
	t, err := opts.open(env, &opts.commonOptions, opts.source)
	if err != nil {
		return err
	}
	if err := t.needReference(); err != nil {
		return err
	}
	out := output.NewPrinter(env.Stdout)
	p := progress(env, &opts.commonOptions, &opts.ttyOptions, opts.formatOptions.parsed, out,
		"Downloading", "Processing", "Downloaded", "Skipped", "Restored", "Exists")
	puller := newPuller(opts, t, p)
	puller.config = config
	root, err := puller.pull(ctx)
	p.Close()
	if err != nil {
		return pullFailure(t, err)
	}
	if !opts.formatOptions.parsed.IsText() {
		return opts.formatOptions.parsed.Write(env.Stdout, puller.result(root))
	}
	if puller.skippedLayer {
		out.Line(`Skipped pulling layers without file name in "org.opencontainers.image.title"`)
	} else {
		out.Line("Pulled %s", t)
	}
	out.Line("Digest: %s", root.Digest)
	return out.Err()
}

// configArg parses --config; nil if it was not given.
func (o *pullOptions) configArg() (*files.Arg, error) {
	if o.config == "" {
		return nil, nil
	}
	arg, err := files.ParseArg(o.config, runtime.GOOS == "windows")
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("--config: %w", err)}
	}
	return &arg, nil
}

// pullFailure adds the next step to the failures that are particular to pull.
func pullFailure(t *target, err error) error {
	err = t.about(err)
	switch {
	case errors.Is(err, files.ErrExists):
		return withHint(err, "leave out --keep-old-files, or choose another directory by --output")
	case errors.Is(err, errSameName):
		return withHint(err, "choose one platform by --platform")
	case errors.Is(err, orlop.ErrDamaged):
		return withHint(err, "the content does not match its digest; nothing was written, try again or tell the registry's operator")
	}
	return err
}

// errSameName reports an index whose manifests have different files of one
// name.
var errSameName = errors.New("several files have the same name")

func sameName(name string) error { return fmt.Errorf("%w: %s", errSameName, name) }
