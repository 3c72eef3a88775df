package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

type manifestFetchConfigOptions struct {
	commonOptions
	targetOptions
	platformOptions
	descriptorOptions
	cacheOptions
	output string

	target string
}

func newManifestFetchConfigCommand(env *Env) *cobra.Command {
	var opts manifestFetchConfigOptions
	cmd := &cobra.Command{
		Use:     "fetch-config [flags] <name>{:<tag>|@<digest>}",
		Aliases: []string{"get-config"},
		Short:   "Fetch the configuration of a manifest",
		Long: `Print the configuration that an image manifest refers to, or write it to a file.
It is verified by its digest.`,
		Example: examples(env, `
Print the configuration of the manifest v1:
  orlop manifest fetch-config localhost:5000/hello:v1

Print that of one platform, indented:
  orlop manifest fetch-config --platform linux/arm64 --pretty localhost:5000/hello:v1

Write it to a file:
  orlop manifest fetch-config --output config.json localhost:5000/hello:v1

Print its descriptor:
  orlop manifest fetch-config --descriptor localhost:5000/hello:v1`),
		Args: exactArgs(1, "the manifest whose configuration to fetch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			if opts.output == stdoutName && opts.descriptor {
				return wrongUse(cmd, errors.New("--output - and --descriptor cannot be used together"))
			}
			return runManifestFetchConfig(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.platformOptions, &opts.descriptorOptions, &opts.cacheOptions)
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "`FILE` to write the configuration to, - for standard output")
	return cmd
}

func runManifestFetchConfig(ctx context.Context, env *Env, opts *manifestFetchConfigOptions) error {
	t, err := opts.openManifest(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := opts.wrap(env, t); err != nil {
		return err
	}
	m, err := t.manifest(ctx, &opts.platformOptions)
	if err != nil {
		return err
	}
	config, err := configOf(t, m)
	if err != nil {
		return err
	}
	if !opts.descriptor || opts.output != "" {
		if err := opts.fetch(ctx, env, t, config); err != nil {
			return fetchFailure(t, err)
		}
	}
	if opts.descriptor {
		return opts.writeDescriptor(env.Stdout, config)
	}
	return nil
}

// configOf returns the descriptor of the configuration of a manifest.
func configOf(t *target, m orlop.Manifest) (orlop.Descriptor, error) {
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		return orlop.Descriptor{}, t.about(err)
	}
	if info.Config == nil {
		err := fmt.Errorf("%q is not an image manifest and does not have a config", m.Descriptor.Digest)
		if orlop.IsIndex(info.MediaType) {
			err = withHint(err, "choose one of its manifests by --platform")
		}
		return orlop.Descriptor{}, err
	}
	return *info.Config, nil
}

// fetch writes the configuration to where it is wanted: to standard output as it
// comes, unless it is to be indented, which takes memory.
func (o *manifestFetchConfigOptions) fetch(ctx context.Context, env *Env, t *target, config orlop.Descriptor) error {
	switch {
	case o.output == "" || o.pretty && o.output == stdoutName:
		raw, err := readConfigBlob(ctx, t, config)
		if err != nil {
			return err
		}
		return o.write(env.Stdout, raw)
	case o.output == stdoutName:
		return writeBlob(ctx, env.Stdout, t, output.NewProgress(output.ProgressOptions{}), file{desc: config})
	}
	return save(ctx, o.output, config, func(ctx context.Context, off int64) (io.ReadCloser, error) {
		return t.OpenBlob(ctx, t.repo, config.Digest, off, -1)
	})
}

// readConfigBlob reads a configuration into memory, if it is small enough.
func readConfigBlob(ctx context.Context, t *target, config orlop.Descriptor) ([]byte, error) {
	if config.Size > maxConfig {
		return nil, withHint(fmt.Errorf("the configuration has %d bytes, too many to be shown", config.Size),
			"write it to a file by --output")
	}
	r, err := t.OpenBlob(ctx, t.repo, config.Digest, 0, -1)
	if err != nil {
		return nil, t.aboutRef(t.digested(config.Digest), err)
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, config.Size+1))
	if err == nil && (int64(len(raw)) != config.Size || config.Digest.Algorithm().FromBytes(raw) != config.Digest) {
		err = orlop.ErrDamaged
	}
	return raw, err
}
