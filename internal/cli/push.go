package cli

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
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
	mountOptions
	conditionOptions
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
contains colons ends with one. Directories are packed. The name - is standard
input. What the registry has already is not sent again.`,
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

Push under a tag that nothing must have yet:
  orlop push --if-none-match localhost:5000/hello:v1.0.1 hi.txt

Push a directory so that the same files give the same digest everywhere:
  orlop push --reproducible --compression zstd localhost:5000/site:v1 public

Push what a command prints, as the file dump.sql:
  pg_dump shop | orlop push localhost:5000/dump:v1 - --title dump.sql --media-type application/sql

Push to an OCI image layout, a directory or a new tar file:
  orlop push --oci-layout layout-dir:v1 hi.txt
  orlop push --oci-layout layout.tar:v1 hi.txt`),
		Args: minArgs(1, "the artifact reference and the files to push"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target, opts.files = args[0], args[1:]
			return runPush(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.targetOptions,
		&opts.packOptions, &imageOptions{pack: &opts.packOptions}, &opts.concurrencyOptions, &opts.mountOptions, &opts.conditionOptions)
	cmd.Flags().BoolVar(&opts.force, "force", false, "send manifests even if the destination has them")
	return cmd
}

// pushResult is the result of push and tag as JSON.
type pushResult struct {
	Reference string `json:"reference"`
	descriptor
	ReferenceAsTags []string `json:"referenceAsTags"`
}

func runPush(ctx context.Context, env *Env, opts *pushOptions) (err error) {
	if err := checkStdin(opts.files, &opts.remoteOptions); err != nil {
		return err
	}
	p, err := opts.parse(opts.target)
	if err != nil {
		return err
	}
	if isDigest(p.reference) {
		return withHint(usagef("cannot push to a digest"), "name the artifact by a tag, or by none")
	}
	t, err := opts.createWhole(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := t.close(); err == nil {
			err = closeErr
		}
	}()
	if err := opts.fits(t, t.tags); err != nil {
		return err
	}
	m, err := opts.send(ctx, env, t)
	if err != nil {
		return err
	}
	if err := opts.export(m); err != nil {
		return err
	}
	return opts.writeResult(env, t, m)
}

// send pushes the files, and shows how.
func (o *pushOptions) send(ctx context.Context, env *Env, t *target) (orlop.Manifest, error) {
	mountFrom, err := o.repositories(t)
	if err != nil {
		return orlop.Manifest{}, err
	}
	p := progress(env, &o.commonOptions, &o.ttyOptions, o.parsed, output.NewPrinter(env.Stdout),
		"Preparing", "Uploading", "Uploaded", "Exists", "Mounted", "Skipped")
	copyOptions := orlop.CopyOptions{Tags: t.tags, Force: o.force, MountFrom: mountFrom}
	if o.given() {
		copyOptions.Tags = nil // is set last, by itself
		if err := o.check(ctx, t, t.tags[0]); err != nil {
			return orlop.Manifest{}, t.about(err)
		}
	}
	m, err := push(ctx, env, &o.packOptions, &o.concurrencyOptions, t, p, copyOptions)
	p.Close()
	if err == nil && o.given() {
		err = o.put(ctx, env, t, m, t.tags[0])
	}
	if err == nil {
		err = t.commit(ctx)
	}
	return m, pushFailure(t, err)
}

func (o *pushOptions) writeResult(env *Env, t *target, m orlop.Manifest) error {
	if !o.parsed.IsText() {
		return o.parsed.Write(env.Stdout, newPushResult(t, m.Descriptor, t.tags))
	}
	out := output.NewPrinter(env.Stdout)
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
	scopes := []string{auth.Scope(t.repo, "pull", "push")}
	for _, from := range o.MountFrom {
		scopes = append(scopes, auth.Scope(from, "pull"))
	}
	ctx = auth.WithScopes(ctx, t.host(), scopes...)
	src, m, err := pack.pack(ctx, env, t, p)
	if err != nil {
		return orlop.Manifest{}, err
	}
	defer src.Close()
	if len(pack.files) == 0 {
		p.Note("Uploading", "empty artifact")
	}
	o.Concurrency = c.concurrency
	// Of a registry ORAS asks for the tag before, and says nothing of the manifest.
	o.Progress = uploads(p, src, m.Descriptor, t.kind == kindRegistry && len(o.Tags) > 0)
	_, err = orlop.Copy(ctx, t.Registry, t.repo, src, "", string(m.Descriptor.Digest), o)
	return m, err
}

func newPushResult(t *target, d orlop.Descriptor, tags []string) pushResult {
	r := pushResult{Reference: t.digested(d.Digest), descriptor: describe(d), ReferenceAsTags: []string{}}
	for _, tag := range tags {
		r.ReferenceAsTags = append(r.ReferenceAsTags, t.at(tag))
	}
	slices.Sort(r.ReferenceAsTags)
	return r
}

// pushFailure says what a failure of push is about. What went wrong with the
// files is no answer of the registry.
func pushFailure(t *target, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*orlop.CopyError](err); ok {
		err = e.Err // it says what failed, and push has one destination only
		if e.Side == orlop.Source {
			err = local(err)
		}
	}
	switch {
	case errors.Is(err, files.ErrChanged):
		return withHint(err, "wait until the file is complete, then push again")
	case errors.Is(err, fs.ErrNotExist):
		return withHint(err, "check the path; what follows its last colon is a media type")
	}
	return t.about(err)
}

// uploads shows the events of a push in the lines of ORAS. quietRoot leaves out
// that the manifest is there.
func uploads(p *output.Progress, src *files.Source, root orlop.Descriptor, quietRoot bool) func(orlop.Event) {
	moved := newTransfers(p, "Uploading", "Uploaded")
	same := byDigest(src.Layers())
	return func(e orlop.Event) {
		d := e.Descriptor
		switch {
		case e.Kind == orlop.Exists && src.Sent(d.Digest): // while it was packed
			p.Start("Uploading", d).Done("Uploaded")
		case e.Kind == orlop.Exists && d.Digest == root.Digest: // what is below it is not looked at
			for _, layer := range src.Layers() {
				if src.Sent(layer.Digest) {
					p.Start("Uploading", layer).Done("Uploaded")
				}
			}
			if !quietRoot {
				moved.event(e)
			}
		default:
			moved.event(e)
		}
		if e.Kind == orlop.Started || e.Kind == orlop.Bytes {
			return
		}
		for _, other := range same[d.Digest] { // is there now, too
			if titleOf(other) != titleOf(d) {
				p.Event("Exists", other)
			}
		}
	}
}

func byDigest(layers []orlop.Descriptor) map[digest.Digest][]orlop.Descriptor {
	m := make(map[digest.Digest][]orlop.Descriptor, len(layers))
	for _, d := range layers {
		m[d.Digest] = append(m[d.Digest], d)
	}
	return m
}
