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
	selectOptions
	referrersOptions
	cacheOptions
	output              string
	keepOldFiles        bool
	allowPathTraversal  bool
	preservePermissions bool
	includeSubject      bool
	config              string

	source string
}

func newPullCommand(env *Env) *cobra.Command {
	var opts pullOptions
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

Pull the text files only, and one file under another name:
  orlop pull localhost:5000/hello:v1 --include '**/*.txt'
  orlop pull localhost:5000/hello:v1 --as hi.txt=hello.txt

Write the only file of an artifact to standard output:
  orlop pull -o - localhost:5000/hello:v1 | less

Pull the configuration too, as config.json:
  orlop pull --config config.json localhost:5000/hello:v1

Pull the files of one platform:
  orlop pull --platform linux/arm64 localhost:5000/hello:v1

Pull also what refers to the artifact, such as signatures, each into a folder:
  orlop pull --include-referrers localhost:5000/hello:v1

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
		&opts.platformOptions, &opts.concurrencyOptions, &opts.selectOptions, &opts.referrersOptions, &opts.cacheOptions)
	opts.addOwnFlags(cmd)
	return cmd
}

func (o *pullOptions) addOwnFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "output", "o", ".", "directory to write to; - writes the only file to standard output")
	fs.BoolVarP(&o.keepOldFiles, "keep-old-files", "k", false, "fail rather than replace a file")
	fs.BoolVarP(&o.allowPathTraversal, "allow-path-traversal", "T", false, "allow files outside of the output directory")
	fs.BoolVar(&o.preservePermissions, "preserve-permissions", false, "give unpacked files their permissions whatever the umask is")
	fs.BoolVar(&o.includeSubject, "include-subject", false, "also pull the files of the subject of the artifact")
	fs.StringVar(&o.config, "config", "", "also write the configuration: `path[:type]`")
	fs.StringVar(&o.config, "manifest-config", "", "as --config") // the flag of 2020
	fs.MarkHidden("manifest-config")
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
	t, err := opts.openManifest(env, &opts.commonOptions, opts.source)
	if err != nil {
		return err
	}
	if err := opts.wrap(env, t); err != nil {
		return err
	}
	if opts.output == stdoutName {
		return pullToStdout(ctx, env, opts, t)
	}
	out := output.NewPrinter(env.Stdout)
	p := progress(env, &opts.commonOptions, &opts.ttyOptions, opts.formatOptions.parsed, out,
		"Downloading", "Processing", "Downloaded", "Skipped", "Restored", "Exists")
	plan, result, err := pull(ctx, opts, t, p)
	p.Close()
	if err != nil {
		return pullFailure(t, err)
	}
	if !opts.formatOptions.parsed.IsText() {
		return opts.formatOptions.parsed.Write(env.Stdout, result)
	}
	if plan.incomplete() {
		out.Line(`Skipped pulling layers without file name in "org.opencontainers.image.title"`)
		out.Line("Use '%s copy %s --to-oci-layout <layout-dir>' to pull all layers.", env.program(), t.typed)
		return out.Err()
	}
	out.Line("Pulled %s", t)
	out.Line("Digest: %s", plan.root.Digest)
	return out.Err()
}

// pull reads the manifests, then fetches the files.
func pull(ctx context.Context, opts *pullOptions, t *target, p *output.Progress) (*planner, pulledFiles, error) {
	plan, err := opts.plan(ctx, t, p)
	if err != nil {
		return nil, pulledFiles{}, err
	}
	dir, err := files.OpenTarget(opts.output, files.TargetOptions{
		KeepOldFiles:       opts.keepOldFiles,
		AllowPathTraversal: opts.allowPathTraversal,
		PreserveModes:      opts.preservePermissions,
	})
	if err != nil {
		return nil, pulledFiles{}, withHint(err, "choose another directory by --output")
	}
	defer dir.Close()
	puller := &puller{from: t, progress: p, dir: dir}
	if err := puller.fetch(ctx, plan.groups(), opts.concurrency); err != nil {
		return nil, pulledFiles{}, err
	}
	for _, d := range plan.manifests {
		p.Event("Downloaded", d)
	}
	return plan, puller.result(plan.root), nil
}

// plan reads the manifests and decides what becomes which file.
func (o *pullOptions) plan(ctx context.Context, t *target, p *output.Progress) (*planner, error) {
	config, err := o.configArg()
	if err != nil {
		return nil, err
	}
	root, err := t.manifest(ctx, &o.platformOptions)
	if err != nil {
		return nil, err
	}
	c := newCollector(t, p)
	c.artifactType, c.includeSubject = o.artifactType, o.includeSubject
	if err := c.collect(ctx, root); err != nil {
		return nil, err
	}
	if o.referrersOptions.include {
		if err := c.collectReferrers(ctx, &o.referrersOptions); err != nil {
			return nil, err
		}
	}
	plan := newPlanner(&o.selectOptions, config, p)
	plan.root, plan.manifests = root.Descriptor, c.manifests
	return plan, plan.plan(c.parts)
}

// pullToStdout writes the only file to standard output, and nothing else.
func pullToStdout(ctx context.Context, env *Env, opts *pullOptions, t *target) error {
	if !opts.formatOptions.parsed.IsText() {
		return usagef("--output - writes a file to standard output, where --format cannot write too")
	}
	p := progress(env, &opts.commonOptions, &opts.ttyOptions, opts.formatOptions.parsed, nil, "Downloading", "Downloaded", "Skipped")
	err := func() error {
		plan, err := opts.plan(ctx, t, p)
		if err != nil {
			return err
		}
		f, err := plan.only()
		if err != nil {
			return withHint(err, "choose one by --include")
		}
		return writeBlob(ctx, env.Stdout, t, p, f)
	}()
	p.Close()
	return pullFailure(t, err)
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
		return withHint(err, "choose one platform by --platform, or other names by --as")
	case errors.Is(err, errUnverified):
		return err
	case errors.Is(err, orlop.ErrDamaged):
		return withHint(err, "the content does not match its digest; nothing was written, try again or tell the registry's operator")
	}
	return err
}
