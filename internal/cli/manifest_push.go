package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

type manifestPushOptions struct {
	commonOptions
	targetOptions
	distributionOptions
	descriptorOptions
	conditionOptions
	mediaType   string
	concurrency int // accepted for ORAS: tags are set together

	target, file string
}

func newManifestPushCommand(env *Env) *cobra.Command {
	var opts manifestPushOptions
	opts.distributionOptions.remote = &opts.remoteOptions
	cmd := &cobra.Command{
		Use:   "push [flags] <name>[:<tag>[,<tag>][...]|@<digest>] <file>",
		Short: "Push a manifest to a registry or an OCI image layout",
		Long: `Push a manifest, byte for byte as it is in a file, or from standard input if
the file is "-". What it refers to must be there.`,
		Example: examples(env, `
Push the manifest in manifest.json and tag it v1:
  orlop manifest push localhost:5000/hello:v1 manifest.json

Push it with two tags:
  orlop manifest push localhost:5000/hello:v1,latest manifest.json

Push a manifest from standard input, which must have a certain digest:
  orlop manifest push localhost:5000/hello@sha256:… -

Push a manifest that does not say its media type, and print its descriptor:
  orlop manifest push --media-type application/vnd.oci.image.manifest.v1+json --descriptor localhost:5000/hello:v1 manifest.json

Push to the OCI image layout directory layout-dir:
  orlop manifest push --oci-layout layout-dir:v1 manifest.json`),
		Args: exactArgs(2, "the manifest's reference, and the file or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target, opts.file = args[0], args[1]
			if opts.file == "-" && (opts.passwordStdin || opts.identityTokenStdin) {
				return wrongUse(cmd, errors.New("standard input cannot be both the secret and the manifest"))
			}
			return runManifestPush(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.distributionOptions, &opts.descriptorOptions, &opts.conditionOptions)
	fs := cmd.Flags()
	fs.StringVar(&opts.mediaType, "media-type", "", "media type of the manifest (default what it says itself)")
	fs.IntVar(&opts.concurrency, "concurrency", 5, "no effect: the tags are set together")
	return cmd
}

func runManifestPush(ctx context.Context, env *Env, opts *manifestPushOptions) error {
	m, err := readManifest(env, opts.file, opts.mediaType)
	if err != nil {
		return err
	}
	t, err := opts.create(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := cmp.Or(setDigest(&m, t.reference), opts.fits(t, t.tags)); err != nil {
		return err
	}
	out := output.NewPrinter(env.Stdout)
	lines := output.ProgressOptions{NamedOnly: !opts.verbose, Verbs: []string{"Uploading", "Uploaded", "Exists"}}
	if !opts.descriptor {
		lines.Lines = out
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	if opts.given() {
		err = opts.putTags(ctx, env, t, m, t.tags)
	} else {
		err = pushManifest(ctx, t, m, output.NewProgress(lines))
	}
	if err != nil {
		return t.about(err)
	}
	if opts.descriptor {
		return opts.writeDescriptor(env.Stdout, m.Descriptor)
	}
	out.Line("Pushed: %s", t)
	for _, tag := range t.furtherTags() {
		out.Line("Tagged %s", tag)
	}
	out.Line("Digest: %s", m.Descriptor.Digest)
	return out.Err()
}

// readManifest reads a manifest from a file, or standard input.
func readManifest(env *Env, file, mediaType string) (orlop.Manifest, error) {
	r := env.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return orlop.Manifest{}, fmt.Errorf("read the manifest: %w", err)
		}
		defer f.Close()
		r = f
	}
	raw, err := io.ReadAll(io.LimitReader(r, orlop.MaxManifestSize+1))
	if err != nil {
		return orlop.Manifest{}, fmt.Errorf("read the manifest: %w", err)
	}
	if len(raw) > orlop.MaxManifestSize {
		return orlop.Manifest{}, fmt.Errorf("%s is larger than a manifest may be, %s", file, output.Size(orlop.MaxManifestSize))
	}
	if mediaType == "" {
		if mediaType, err = saidMediaType(raw); err != nil {
			return orlop.Manifest{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	d := orlop.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return orlop.Manifest{Descriptor: d, Raw: raw}, nil
}

// saidMediaType is the media type that a manifest gives itself.
func saidMediaType(raw []byte) (string, error) {
	var said struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return "", withHint(fmt.Errorf("it is no manifest: %w", err), "give the media type of what is no JSON with --media-type")
	}
	if said.MediaType == "" {
		return "", withHint(errors.New("the manifest does not say its media type"), "give it with --media-type")
	}
	return said.MediaType, nil
}

// setDigest makes the digest of m the one that it was named by, if it was.
func setDigest(m *orlop.Manifest, reference string) error {
	if !isDigest(reference) {
		return nil
	}
	want := digest.Digest(reference)
	if got := want.Algorithm().FromBytes(m.Raw); got != want {
		return withHint(usagef("the digest of the manifest is %s, not %s", got, want), "name it by a tag, or by its own digest")
	}
	m.Descriptor.Digest = want
	return nil
}

// pushManifest pushes m under the tags of t, or under its digest. It does not
// send what the target has under this very reference.
func pushManifest(ctx context.Context, t *target, m orlop.Manifest, p *output.Progress) error {
	reference := cmp.Or(t.reference, string(m.Descriptor.Digest))
	switch there, err := t.Resolve(ctx, t.repo, reference); {
	case err == nil && there.Digest == m.Descriptor.Digest:
		p.Event("Exists", m.Descriptor)
		if len(t.furtherTags()) == 0 {
			return nil
		}
		return t.put(ctx, m, t.furtherTags()...)
	case err != nil && !isNotFound(err):
		return err
	}
	task := p.Start("Uploading", m.Descriptor)
	if err := t.put(ctx, m, t.tags...); err != nil {
		task.Fail()
		return err
	}
	task.Done("Uploaded")
	return nil
}
