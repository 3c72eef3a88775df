package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

func newManifestIndexCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "index [command]",
		Short: "Make and change indexes of manifests",
	},
		newManifestIndexCreateCommand(env),
		newManifestIndexUpdateCommand(env),
	)
}

// indexOptions say of what type an index is and where it goes.
type indexOptions struct {
	prettyOptions
	artifactType string
	output       string // a path, or - for standard output; "": it is pushed
}

func (o *indexOptions) addFlags(fs *pflag.FlagSet) {
	o.prettyOptions.addFlags(fs)
	fs.StringVar(&o.artifactType, "artifact-type", "", "artifact type of the index, a media type")
	fs.StringVarP(&o.output, "output", "o", "", "do not push the index, but write it to this `path`; - for standard output")
}

func (o *indexOptions) validate() error {
	if o.artifactType == "" {
		return nil
	}
	if err := orlop.ValidateMediaType(o.artifactType); err != nil {
		return fmt.Errorf("--artifact-type is %w", err)
	}
	return nil
}

// printer prints lines for people, unless the index itself goes there.
func (o *indexOptions) printer(env *Env) *output.Printer {
	if o.output == "-" {
		return output.NewPrinter(io.Discard)
	}
	return output.NewPrinter(env.Stdout)
}

// finish pushes the index with these tags, or writes it where the user wants
// it, and says so.
func (o *indexOptions) finish(ctx context.Context, env *Env, t *target, out *output.Printer, m orlop.Manifest, tags []string) error {
	switch o.output {
	case "-":
		return o.write(env.Stdout, m.Raw)
	case "":
		if err := t.put(ctx, m, tags...); err != nil {
			return t.about(err)
		}
		to := t.typed
		if isDigest(t.reference) {
			to = t.base // the new index has another digest
		}
		out.Line("Pushed    [%s] %s", t.kind, to)
		for _, tag := range tags {
			if tag != t.reference {
				out.Line("Tagged %s", tag)
			}
		}
	default:
		if err := os.WriteFile(o.output, m.Raw, 0o666); err != nil {
			return fmt.Errorf("write the index: %w", err)
		}
	}
	out.Line("Digest: %s", m.Descriptor.Digest)
	return out.Err()
}

// packIndex writes an index as a manifest.
func packIndex(index ocispec.Index) (orlop.Manifest, error) {
	raw, err := json.Marshal(index)
	if err != nil {
		return orlop.Manifest{}, fmt.Errorf("pack the index: %w", err)
	}
	if _, err := orlop.ParseManifest(index.MediaType, raw); err != nil {
		return orlop.Manifest{}, fmt.Errorf("pack the index: %w", err)
	}
	d := orlop.Descriptor{MediaType: index.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return orlop.Manifest{Descriptor: d, Raw: raw}, nil
}

// fetchers is how many manifests are read at once.
const fetchers = 8

// source is a manifest that an index is made of, by the tag or digest that the
// user named it by, and what is done with it.
type source struct {
	reference string
	use       func(context.Context, orlop.Manifest) error // called concurrently
}

// fetchSources reads manifests and does with each what is to be done.
func fetchSources(ctx context.Context, t *target, out *output.Printer, sources []source) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for _, s := range sources {
		g.Go(func() error {
			out.Line("Fetching  %s", s.reference)
			m, err := t.Manifest(ctx, t.repo, s.reference)
			if err == nil {
				out.Line("Fetched   %s", named(s.reference, m.Descriptor.Digest))
				err = s.use(ctx, m)
			}
			return t.aboutRef(t.at(s.reference), err)
		})
	}
	return g.Wait()
}

// named is a digest, and the tag that it was named by if it was.
func named(reference string, dgst digest.Digest) string {
	if isDigest(reference) {
		return reference
	}
	return string(dgst) + " " + reference
}

// entryOf describes a manifest as an entry of an index, with the platform that
// the configuration of an image tells.
func entryOf(ctx context.Context, t *target, m orlop.Manifest) (orlop.Descriptor, error) {
	d := orlop.Descriptor{MediaType: m.Descriptor.MediaType, Digest: m.Descriptor.Digest, Size: m.Descriptor.Size}
	info, err := orlop.ParseManifest(d.MediaType, m.Raw)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	ownType := info.Config == nil || info.ArtifactType != info.Config.MediaType
	if ownType || !isImageConfig(info.Config) && info.Config.MediaType != ocispec.MediaTypeEmptyJSON {
		d.ArtifactType = info.ArtifactType
	}
	if !isImageConfig(info.Config) {
		return d, nil
	}
	p, err := imagePlatform(ctx, t, info.Config)
	if errors.Is(err, errNoPlatform) || err == nil && p.OS == "" && p.Architecture == "" {
		return d, nil
	}
	d.Platform = p
	return d, err
}

// parseIndex reads an index to be changed or merged.
func parseIndex(m orlop.Manifest) (ocispec.Index, error) {
	if !orlop.IsIndex(m.Descriptor.MediaType) {
		return ocispec.Index{}, fmt.Errorf("%s is no index but %s", m.Descriptor.Digest, m.Descriptor.MediaType)
	}
	if _, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw); err != nil {
		return ocispec.Index{}, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(m.Raw, &index); err != nil {
		return ocispec.Index{}, err
	}
	index.MediaType = m.Descriptor.MediaType // old ones do not say it
	return index, nil
}
