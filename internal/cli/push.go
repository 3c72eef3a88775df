package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/files"
	"github.com/orlop/orlop/remote/auth"
)

type pushOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	targetOptions
	packOptions
	concurrencyOptions
	force bool

	target string
}

func newPushCommand(env *Env) *cobra.Command {
	var opts pushOptions
	cmd := &cobra.Command{
		Use:   "push [flags] <name>[:<tag>[,<tag>][...]] <file>[:<type>] [...]",
		Short: "Push files to a registry or an OCI image layout",
		Long: `Push files and directories as an artifact.

The type after the last colon is the media type of the file; a name that
contains colons ends with one. Directories are packed. What the registry has
already is not sent again.`,
		Example: examples(env, `
Push the file hi.txt with the default media type:
  orlop push localhost:5000/hello:v1 hi.txt

Push two files with media types of their own:
  orlop push localhost:5000/hello:v1 hi.txt:application/vnd.me.hi bye.txt:application/vnd.me.bye

Push the file hi.txt as an artifact of a type, with three tags:
  orlop push --artifact-type application/vnd.example+type localhost:5000/hello:v1,v1.0,latest hi.txt

Push with a configuration of a media type:
  orlop push --config config.json:application/vnd.me.config localhost:5000/hello:v1 hi.txt

Push with an annotation, and print the digest alone:
  orlop push -a key=value localhost:5000/hello:v1 hi.txt --format go-template='{{.digest}}'

Push to the OCI image layout directory layout-dir:
  orlop push --oci-layout layout-dir:v1 hi.txt`),
		Args: minArgs(1, "the artifact reference and the files to push"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target, opts.files = args[0], args[1:]
			return runPush(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.targetOptions,
		&opts.packOptions, &imageOptions{pack: &opts.packOptions}, &opts.concurrencyOptions)
	cmd.Flags().BoolVar(&opts.force, "force", false, "send manifests even if the destination has them")
	return cmd
}

// pushResult is the result of push as JSON.
type pushResult struct {
	Reference string `json:"reference"`
	descriptor
	ReferenceAsTags []string `json:"referenceAsTags"`
}

func runPush(ctx context.Context, env *Env, opts *pushOptions) error {
	t, err := opts.create(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if orlop.IsDigest(t.reference) {
		return withHint(usagef("cannot push to a digest"), "name the artifact by a tag, or by none")
	}
	out := output.NewPrinter(env.Stdout)
	p := progress(env, &opts.commonOptions, &opts.ttyOptions, opts.parsed, out,
		"Preparing", "Uploading", "Uploaded", "Exists", "Skipped")
	m, err := push(ctx, env, &opts.packOptions, &opts.concurrencyOptions, t, p, orlop.CopyOptions{Tags: t.tags, Force: opts.force})
	p.Close()
	if err != nil {
		return pushFailure(t, err)
	}
	if err := opts.export(m); err != nil {
		return err
	}
	if !opts.parsed.IsText() {
		return opts.parsed.Write(env.Stdout, newPushResult(t, m.Descriptor))
	}
	out.Line("Pushed %s", t)
	for _, tag := range t.furtherTags() {
		out.Line("Tagged %s", tag)
	}
	out.Line("ArtifactType: %s", m.Descriptor.ArtifactType)
	out.Line("Digest: %s", m.Descriptor.Digest)
	return out.Err()
}

// push reads the files, packs them and sends what is missing.
func push(
	ctx context.Context, env *Env, pack *packOptions, c *concurrencyOptions, t *target, p *output.Progress, o orlop.CopyOptions,
) (orlop.Manifest, error) {
	src, m, err := pack.pack(ctx, env, p)
	if err != nil {
		return orlop.Manifest{}, err
	}
	defer src.Close()
	if len(pack.files) == 0 {
		p.Note("Uploading", "empty artifact")
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	o.Concurrency = c.concurrency
	o.Progress = uploads(p)
	_, err = orlop.Copy(ctx, t.Registry, t.repo, src, "", string(m.Descriptor.Digest), o)
	return m, err
}

func newPushResult(t *target, d orlop.Descriptor) pushResult {
	r := pushResult{Reference: t.digested(d.Digest), descriptor: describe(d), ReferenceAsTags: []string{}}
	for _, tag := range t.tags {
		r.ReferenceAsTags = append(r.ReferenceAsTags, t.at(tag))
	}
	slices.Sort(r.ReferenceAsTags)
	return r
}

// pushFailure says what a failure of push is about. What went wrong with the
// files is no answer of the registry.
func pushFailure(t *target, err error) error {
	if e, ok := errors.AsType[*orlop.CopyError](err); ok {
		err = e.Err // it says what failed, and push has one destination only
		if e.Side == orlop.Source {
			err = local(err)
		}
	}
	if errors.Is(err, files.ErrChanged) {
		return withHint(err, "wait until the file is complete, then push again")
	}
	return t.about(err)
}

// uploads shows the events of a copy as progress.
func uploads(p *output.Progress) func(orlop.Event) {
	tasks := map[string]*output.Task{}
	return func(e orlop.Event) {
		key := string(e.Descriptor.Digest)
		task := tasks[key]
		switch e.Kind {
		case orlop.Started:
			tasks[key] = p.Start("Uploading", e.Descriptor)
		case orlop.Bytes:
			if task != nil {
				task.Set(e.N)
			}
		case orlop.Done:
			if task != nil {
				task.Done("Uploaded")
			}
		case orlop.Exists:
			p.Event("Exists", e.Descriptor)
		case orlop.Skipped:
			p.Event("Skipped", e.Descriptor)
		}
	}
}
