package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

type manifestFetchOptions struct {
	commonOptions
	targetOptions
	platformOptions
	formatOptions
	descriptorOptions
	cacheOptions
	mediaTypes []string // that the registry may send; all that are known if empty
	output     string

	target string
}

func newManifestFetchCommand(env *Env) *cobra.Command {
	var opts manifestFetchOptions
	cmd := &cobra.Command{
		Use:     "fetch [flags] <name>{:<tag>|@<digest>}",
		Aliases: []string{"get", "show"},
		Short:   "Fetch a manifest from a registry or an OCI image layout",
		Long: `Print a manifest, byte for byte as the registry has it, or write it to a file.
It is verified by its digest.`,
		Example: examples(env, `
Print the manifest v1:
  orlop manifest fetch localhost:5000/hello:v1

Print it indented:
  orlop manifest fetch --pretty localhost:5000/hello:v1

Print its descriptor, without fetching it:
  orlop manifest fetch --descriptor localhost:5000/hello:v1

Print the manifest of one platform of an index:
  orlop manifest fetch --platform linux/arm64 localhost:5000/hello:v1

Print the media types of the layers:
  orlop manifest fetch localhost:5000/hello:v1 --format go-template='{{range .content.layers}}{{println .mediaType}}{{end}}'

Ask for an index and nothing else:
  orlop manifest fetch --media-type application/vnd.oci.image.index.v1+json localhost:5000/hello:v1

Fetch a manifest from the OCI image layout directory layout-dir:
  orlop manifest fetch --oci-layout layout-dir:v1`),
		Args: exactArgs(1, "the manifest to fetch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			if err := opts.check(cmd.Flags().Changed("format")); err != nil {
				return wrongUse(cmd, err)
			}
			return runManifestFetch(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.platformOptions, &opts.formatOptions,
		&opts.descriptorOptions, &opts.cacheOptions)
	fs := cmd.Flags()
	fs.StringSliceVar(&opts.mediaTypes, "media-type", nil, "media `TYPES` to accept (default all that are known)")
	fs.StringVarP(&opts.output, "output", "o", "", "`FILE` to write the manifest to, - for standard output")
	return cmd
}

func (o *manifestFetchOptions) check(format bool) error {
	switch {
	case o.output == stdoutName && !o.formatOptions.parsed.IsText():
		return errors.New("--output - and --format cannot be used together")
	case o.output == stdoutName && o.descriptor:
		return errors.New("--output - and --descriptor cannot be used together")
	case format && o.pretty:
		return errors.New("--format and --pretty cannot be used together")
	case format && o.descriptor:
		return errors.New("--format and --descriptor cannot be used together")
	case len(o.mediaTypes) > 0 && (o.ociLayout || o.ociLayoutPath != ""):
		return errors.New("--media-type is for registries: it cannot be used with a layout")
	}
	return nil
}

// fetchedManifest is the result of manifest fetch as JSON.
type fetchedManifest struct {
	Reference string `json:"reference"`
	descriptor
	Content any `json:"content"` // null if the manifest is no JSON object
}

func runManifestFetch(ctx context.Context, env *Env, opts *manifestFetchOptions) error {
	t, err := opts.openManifest(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := opts.wrap(env, t); err != nil {
		return err
	}
	ctx = remote.WithManifestTypes(ctx, opts.mediaTypes...)
	if opts.descriptor && opts.output == "" {
		d, err := resolve(ctx, t, &opts.platformOptions)
		if err != nil {
			return err
		}
		return opts.writeDescriptor(env.Stdout, d)
	}
	m, err := t.manifest(ctx, &opts.platformOptions)
	if err != nil {
		return err
	}
	return opts.show(ctx, env, t, m)
}

// show writes the manifest to where it is wanted, and then what is to be said
// of it.
func (o *manifestFetchOptions) show(ctx context.Context, env *Env, t *target, m orlop.Manifest) error {
	format := o.formatOptions.parsed
	switch {
	case o.output != "" && o.output != stdoutName:
		if err := save(ctx, o.output, m.Descriptor, openBytes(m.Raw)); err != nil {
			return fmt.Errorf("write the manifest: %w", err)
		}
	case format.IsText():
		if err := o.write(env.Stdout, m.Raw); err != nil {
			return err
		}
	}
	switch {
	case o.descriptor:
		return o.writeDescriptor(env.Stdout, m.Descriptor)
	case format.IsText():
		return nil
	}
	return format.Write(env.Stdout, fetchedManifest{t.digested(m.Descriptor.Digest), describe(m.Descriptor), object(m.Raw)})
}

// object parses a JSON object, its numbers as they are written; nil if it is
// none.
func object(raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if dec.Decode(&m) != nil || m == nil {
		return nil
	}
	return m
}
