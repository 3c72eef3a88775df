package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// maxConfig is the largest image configuration, in bytes, that is read to
// learn its platform.
const maxConfig = 4 << 20

// choosePlatform returns the manifest for a platform: an entry of the index m,
// or m itself if it is an image for that platform.
func choosePlatform(ctx context.Context, t *target, m orlop.Manifest, want *ocispec.Platform) (orlop.Descriptor, error) {
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	if !orlop.IsIndex(info.MediaType) {
		return m.Descriptor, checkPlatform(ctx, t, info, want)
	}
	var have []string
	for _, d := range info.Children {
		if matchPlatform(want, d.Platform) {
			return d, nil
		}
		if d.Platform != nil {
			have = append(have, platformText(d.Platform))
		}
	}
	return orlop.Descriptor{}, withHint(t.about(fmt.Errorf("%s has no manifest for the platform %s", t.typed, platformText(want))),
		"choose one of: %s", strings.Join(have, ", "))
}

// checkPlatform compares the platform of an image with the wanted one.
func checkPlatform(ctx context.Context, t *target, info orlop.ManifestInfo, want *ocispec.Platform) error {
	got, err := imagePlatform(ctx, t, info.Config)
	if err != nil {
		return withHint(fmt.Errorf("read the platform of %s: %w", t.typed, err), "leave out --platform, if no image of a platform is meant")
	}
	if !matchPlatform(want, got) {
		return fmt.Errorf("%s is for the platform %s, not %s", t.typed, platformText(got), platformText(want))
	}
	return nil
}

// errNoPlatform reports a manifest of which no platform is known.
var errNoPlatform = errors.New("it is no image and names no platform")

// isImageConfig tells whether a configuration is that of an image.
func isImageConfig(config *orlop.Descriptor) bool {
	const dockerConfig = "application/vnd.docker.container.image.v1+json"
	return config != nil && (config.MediaType == ocispec.MediaTypeImageConfig || config.MediaType == dockerConfig)
}

// imagePlatform reads the platform from the configuration of an image.
func imagePlatform(ctx context.Context, t *target, config *orlop.Descriptor) (*ocispec.Platform, error) {
	if !isImageConfig(config) {
		return nil, errNoPlatform
	}
	r, err := t.OpenBlob(ctx, t.repo, config.Digest, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxConfig))
	if err != nil {
		return nil, err
	}
	var p ocispec.Platform
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("%w: its configuration is no JSON: %w", errNoPlatform, err)
	}
	return &p, nil
}

func platformText(p *ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if p.OSVersion != "" {
		s += ":" + p.OSVersion
	}
	return s
}
