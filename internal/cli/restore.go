package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/remote/auth"
)

type restoreOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	remoteOptions
	distribution distributionOptions
	concurrencyOptions
	input            string
	excludeReferrers bool
	dryRun           bool

	destination string
}

func newRestoreCommand(env *Env) *cobra.Command {
	opts := restoreOptions{}
	opts.distribution.remote = &opts.remoteOptions
	cmd := &cobra.Command{
		Use:   "restore [flags] --input <path> <registry>/<repository>[:<tag>[,<tag>][...]]",
		Short: "Restore a repository, or some of its tags, from an OCI image layout",
		Long: `Restore what the tags of an OCI image layout name, such as backup makes: a
directory or a tar file. What refers to the artifacts is restored with them.

All content is checked against its digest. What the repository has already is
not sent. A tag that cannot be restored does not keep the others from it.`,
		Example: examples(env, `
Restore all tags of a backup:
  orlop restore --input hello localhost:5000/hello

Restore two tags from a tar file:
  orlop restore --input hello.tar localhost:5000/hello:v1,v2

Check that a backup is complete, and see what would be restored:
  orlop restore --input hello --dry-run localhost:5000/hello`),
		Args: exactArgs(1, "the repository to restore"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.destination = args[0]
			return runRestore(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.remoteOptions,
		&opts.distribution, &opts.concurrencyOptions)
	flags := cmd.Flags()
	flags.StringVar(&opts.input, "input", "", "`path` of the layout: a tar file or a directory")
	flags.BoolVar(&opts.excludeReferrers, "exclude-referrers", false, "do not restore what refers to the artifacts")
	flags.BoolVar(&opts.dryRun, "dry-run", false, "say what would be restored, and send nothing")
	requireFlag(cmd, "input")
	return cmd
}

// restoreResult is the result of restore as JSON.
type restoreResult struct {
	Repository string          `json:"repository"`
	Path       string          `json:"path"`
	DryRun     bool            `json:"dryRun"`
	Tags       []copiedTag     `json:"tags"`
	Failed     []failedTag     `json:"failed"`
	Summary    transferSummary `json:"summary"`
}

func runRestore(ctx context.Context, env *Env, opts *restoreOptions) error {
	start := time.Now()
	to, err := opts.repository(env, &opts.commonOptions, opts.destination, false)
	if err != nil {
		return err
	}
	from, size, err := openInput(opts.input)
	if err != nil {
		return err
	}
	defer from.Close()
	out := opts.formatOptions.text(env)
	if size > 0 {
		out.Line("Loaded backup archive: %s (%s)", opts.input, archiveSize(size))
	}
	source := newTarget(kindLayout, from, parsedRef{base: opts.input, reference: to.reference, tags: to.tags})
	tags, err := wantedTags(ctx, source)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return withHint(fmt.Errorf("no tags found in OCI layout %q", opts.input),
			"list the tags: %s repo tags --oci-layout %s", env.program(), opts.input)
	}
	b := newBulkCopy(source, &opts.concurrencyOptions, !opts.excludeReferrers)
	all, err := b.resolve(ctx, tags)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		listTags(out, "the backup", all)
		ctx = auth.WithScopes(ctx, to.host(), auth.Scope(to.repo, "pull", "push"))
		if err := opts.restore(ctx, env, b, all, to, out); err != nil {
			return err
		}
	}
	switch {
	case len(b.copied) == 0:
	case opts.dryRun:
		out.Line("Dry run complete: %d tag(s) would be restored to %q (no data pushed)", len(b.copied), to.base)
	default:
		out.Line("Successfully restored %d tag(s) to %q in %s", len(b.copied), to.base, took(start))
	}
	return b.end(env, opts.formatOptions.parsed, out, "restored", restoreResult{
		Repository: to.base, Path: opts.input, DryRun: opts.dryRun, Tags: b.copied, Failed: b.failed, Summary: b.summary(),
	})
}

// restore copies, or in a dry run goes through all that would be copied.
func (o *restoreOptions) restore(
	ctx context.Context, env *Env, b *bulkCopy, all []*tagged, to *target, out *output.Printer,
) error {
	p := progress(env, &o.commonOptions, &o.ttyOptions, o.formatOptions.parsed, out,
		"Pushing", "Pushed", "Exists", "Mounted", "Skipped", "Restoring")
	defer p.Close()
	if !o.dryRun {
		b.show(p, "Pushing", "Pushed", out)
	} else {
		b.show(output.NewProgress(output.ProgressOptions{}), "", "", out)
		b.sentence = "Dry run: would push tag %s with %d referrer(s)"
		to = &target{Registry: dryRun{Registry: to.Registry, from: b.from.Registry}, kind: to.kind, base: to.base, typed: to.typed}
	}
	err := b.copy(ctx, all, to)
	p.Close()
	b.finish()
	return err
}

// openInput opens the layout to restore from. size is that of a tar file, 0 of
// a directory.
func openInput(path string) (l *layout.Registry, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, withHint(err, "give the path of a backup by --input")
	}
	if info.IsDir() {
		l, err = layout.Open(path)
	} else {
		l, err = layout.OpenTar(path)
		size = info.Size()
	}
	if errors.Is(err, fs.ErrNotExist) { // of the files that make a layout
		err = fmt.Errorf("%s is no OCI image layout", path)
	}
	return l, size, withHint(err, "give the path of a backup by --input")
}

// dryRun is a destination that has nothing and takes everything, as long as it
// is there to be sent.
type dryRun struct {
	orlop.Registry
	from orlop.Reader // what would be sent
}

func (d dryRun) Resolve(context.Context, string, string) (orlop.Descriptor, error) {
	return orlop.Descriptor{}, orlop.ErrManifestUnknown
}

// StatBlob has every blob that could be sent.
func (d dryRun) StatBlob(ctx context.Context, _ string, dgst digest.Digest) (orlop.Descriptor, error) {
	return d.from.StatBlob(ctx, "", dgst)
}

// PushBlob gets those that could not.
func (d dryRun) PushBlob(_ context.Context, _ string, desc orlop.Descriptor, _ io.Reader) error {
	return fmt.Errorf("blob %s is missing or has another size: %w", desc.Digest, orlop.ErrDamaged)
}

func (d dryRun) PushManifest(
	_ context.Context, _, mediaType string, raw []byte, _ ...string,
) (orlop.Descriptor, error) {
	return orlop.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}, nil
}

func (d dryRun) PushManifestDigest(
	_ context.Context, _, mediaType string, dgst digest.Digest, raw []byte, _ ...string,
) (orlop.Descriptor, error) {
	return orlop.Descriptor{MediaType: mediaType, Digest: dgst, Size: int64(len(raw))}, nil
}
